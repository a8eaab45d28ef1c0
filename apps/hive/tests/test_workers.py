"""`hive workers`: who is there, in which condition, and what runs where."""

import json
import os
import subprocess

import pytest

from hive_testkit.console import Console
from hive_testkit.desk import Desk
from hive_testkit.ground import LEASE, Ground

WORKER = (
    "insert into hive.worker"
    " (id, host, pid, version, queues, slots, is_draining, started_at, seen_at)"
    " values (gen_random_uuid(), $1, $2, '1.2.3', $3, 4, $4, now() - interval '3 hours',"
    " now() - $5::float8 * interval '1 s')"
)
QUEEN = (
    "insert into hive.queen (id, host, pid, version, started_at) values"
    " (gen_random_uuid(), $1, $2, '1.2.3', now() - interval '2 days') returning id"
)


@pytest.mark.usefixtures("eighty_columns")
def test_every_worker_is_told_with_its_condition(desk: Desk) -> None:
    desk.sql(WORKER, "box", 1, ["default"], False, 0.0)
    desk.sql(WORKER, "box", 2, ["default", "gpu"], True, 0.0)
    desk.sql(WORKER, "h" * 90, 3, ["q" * 90], False, 500.0)
    desk.sql(WORKER, "gone", 4, ["default"], False, 5000.0)
    done = desk("workers")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    head, one, two, three = (line.split() for line in lines[:4])
    assert " ".join(head) == "WORKER HOST PID STATE QUEUES SLOTS HELD RUNS VERSION UP"
    assert one[1:] == ["box", "1", "at", "work", "default", "4", "0", "0", "1.2.3", "3h"]
    assert two[3:5] == ["draining", "default,gpu"]
    assert three[2:5] == ["3", "silent", "8m"]
    assert "no queen was seen in the last 10 minutes; start one with: hive queen" in lines
    states = [worker["state"] for worker in json.loads(desk("workers", "--json").stdout)["workers"]]
    assert states == ["at work", "draining", "silent"]


def test_queens_are_told_with_who_has_the_term(desk: Desk) -> None:
    [(first,)] = desk.sql(QUEEN, "box", 11)
    desk.sql(QUEEN, "box", 12)
    desk.sql(
        "insert into hive.term (number, queen_id, expires_at)"
        " values (1, $1, now() + interval '1 h')",
        first,
    )
    lines = desk("workers").stdout.splitlines()
    assert lines[0] == "no worker was seen in the last 10 minutes; start one with: hive worker"
    assert [line.split()[2:-1] for line in lines[3:]] == [
        ["11", "has", "the", "term", "0", "1.2.3"],
        ["12", "stands", "by", "0", "1.2.3"],
    ]
    queens = json.loads(desk("workers", "--json").stdout)["queens"]
    assert [(queen["pid"], queen["has_term"]) for queen in queens] == [(11, True), (12, False)]
    assert queens[0]["id"] == str(first)


def test_what_a_worker_runs_is_named_and_many_are_counted(desk: Desk) -> None:
    task_ids = desk.submit(12)

    async def run(ground: Ground) -> None:
        bundle = await ground.claim(12)
        await ground.worker.accept([bundle.lease_id], lease=LEASE)
        await ground.worker.start([(task_id, bundle.lease_id) for task_id in task_ids[:10]])

    desk.do(run)
    desk.sql(
        "insert into hive.worker (id, host, pid, version, queues, slots)"
        " select worker_id, 'box', 7, '1', '{default}', 16 from hive.lease"
    )
    lines = desk("workers").stdout.splitlines()
    assert lines[1].split()[6:9] == ["16", "12", "10"]
    first = ", ".join(str(task_id) for task_id in task_ids[:8])
    assert lines[3] == f"{lines[1].split()[0]} runs {first} and 2 more"
    [worker] = json.loads(desk("workers", "--json").stdout)["workers"]
    assert (worker["running"], worker["running_ids"]) == (10, task_ids[:10])


def test_a_real_worker_and_its_queen_are_there(hive: Console) -> None:
    payload = json.dumps({"argv": ["sh", "-c", "echo begun; sleep 60"]})
    task = hive("submit", "command", "--payload", payload).stdout.strip()
    with hive.start("logs", "-f", task, stdout=subprocess.PIPE) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == b"begun\n"
        found = json.loads(hive("workers", "--json").stdout)
        hive("cancel", task)
        logs.kill()
    # Those that other tests have killed may still be listed.
    [worker] = (one for one in found["workers"] if int(task) in one["running_ids"])
    [queen] = (one for one in found["queens"] if one["state"] == "has the term")
    assert worker["state"] == "at work"
    for one in (worker, queen):
        os.kill(one["pid"], 0)
