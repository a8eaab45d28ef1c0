"""`hive park` and `hive unpark`, and what `show` and `list` say of tasks that wait for them."""

import json
from datetime import datetime, timedelta

from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.desk import Desk
from hive_testkit.ground import LEASE, Ground


def test_a_parked_task_says_why_it_waits_and_how_it_goes_on(desk: Desk) -> None:
    [task_id] = desk.submit()
    done = desk("park", str(task_id), "--reason", "the report is not there yet")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"hive: task {task_id} is parked\n"
    shown = " ".join(desk("show", str(task_id)).stdout.split())
    words = "parked: the report is not there yet"
    assert f"waits {words}; `hive unpark {task_id}` lets it go on" in shown
    assert f"next: hive unpark {task_id} | hive cancel {task_id}" in shown
    assert words in desk("list").stdout
    [plain] = json.loads(desk("list", "--json").stdout)
    assert (plain["state"], plain["parked_reason"]) == ("scheduled", "the report is not there yet")
    done = desk("unpark", str(task_id))
    assert (done.returncode, done.stderr) == (0, f"hive: task {task_id} is let go on\n")
    assert "parked" not in desk("list").stdout
    timeline = desk("show", str(task_id)).stdout
    assert "parked (the report is not there yet)" in timeline
    assert "let go on, by hand" in timeline


def test_until_is_a_moment_or_how_long_from_now(desk: Desk) -> None:
    first, second = desk.submit(2)
    assert desk("park", str(first), "--until", "2h").returncode == 0
    assert desk("park", str(second), "--until", "2100-01-01T12:00").returncode == 0
    assert "parked until 2100-01-01 12:00:00: by hand" in desk("show", str(second)).stdout
    [row] = desk.sql("select run_at - now() as left from hive.task where id = $1", first)
    assert timedelta(hours=1) < row["left"] <= timedelta(hours=2)
    done = desk("park", str(first), "--until", "some day")
    assert done.returncode != 0
    assert "--until is 'some day'; write for how long, like 10m" in done.stderr


def test_what_cannot_be_parked_or_is_not_parked_is_told(desk: Desk) -> None:
    [running] = [desk.do(_lease).task.id]
    [queued] = desk.submit()
    done = desk("park", str(running), str(queued))
    assert done.returncode == 1
    assert f"1 parked, 1 dispatched, cannot be parked ({running})" in done.stderr
    done = desk("unpark", str(running))
    assert (done.returncode, done.stderr) == (
        1, f"hive: task {running} is dispatched: not parked\n",
    )  # fmt: skip
    [waiting] = desk.submit()
    done = desk("unpark", "--json", str(waiting))
    assert json.loads(done.stdout) == {
        "unparked": 0, "refused": {"queued": [waiting]}, "not_found": [], "held": [],
    }  # fmt: skip


def test_a_filter_parks_and_unparks_all_that_fit(desk: Desk) -> None:
    desk.submit(3, group="nightly")
    desk.submit(1, group="nightly", run_at=datetime.fromisoformat("2100-01-01T00:00+00:00"))
    desk.submit(2)
    assert "4 tasks would be parked" in desk("park", "--group", "nightly", "--dry-run").stdout
    assert desk("park", "--group", "nightly").stderr == "hive: of 4 tasks, 4 parked\n"
    done = desk("unpark", "--group", "nightly")
    assert (done.returncode, done.stderr) == (0, "hive: of 4 tasks, 4 let go on\n")
    rows = desk.sql("select state::text, count(*)::integer from hive.task group by 1 order by 1")
    assert {row[0]: row[1] for row in rows} == {"queued": 5, "scheduled": 1}
    audit = desk.sql("select what, actor <> '' as is_known from hive.audit order by at")
    assert [tuple(row) for row in audit] == [("park", True), ("unpark", True)]


def test_every_error_is_shown_with_how_long_it_waited(desk: Desk) -> None:
    [task_id] = desk.submit(max_attempts=3, retry="fixed(30s) only on 75")
    desk.do(lambda ground: _fail(ground, task_id, Move.RETRY, "first"))
    desk.sql("update hive.task set state = 'queued' where id = $1", task_id)
    last = "second (not tried again: it is retried only on 75)"
    desk.do(lambda ground: _fail(ground, task_id, Move.FAIL, last))
    shown = desk("show", str(task_id), "--full").stdout
    assert "first (again after 30 s)" in shown
    assert last in shown
    assert "retries: fixed(30s) only on 75" in " ".join(shown.split())


def test_a_policy_is_said_in_two_options_or_in_one_and_checked_at_once(desk: Desk) -> None:
    payload = ("--payload", '{"argv": ["false"]}')
    done = desk("submit", "command", *payload, "--retry", "1s,10s", "--retry-on", "75,timed_out")
    assert done.returncode == 0, done.stderr
    [row] = desk.sql("select retry, max_attempts from hive.task")
    assert tuple(row) == ("1s, 10s only on 75, timed_out", 3)
    for words, reason in (
        (("--retry", "soon"), "'soon' is no wait; write the policy like exponential(1s"),
        (("--retry-on", "OSError"), "a command never fails with 'OSError'"),
        (("--retry", "1s only on 75", "--retry-on", "76"), "both say after which failures"),
    ):
        done = desk("submit", "command", *payload, *words)
        assert done.returncode != 0
        assert reason in done.stderr


async def _lease(ground: Ground) -> LeasedTask:
    [leased] = await ground.lease(1)
    return leased


async def _fail(ground: Ground, task_id: TaskId, move: Move, error: str) -> None:
    bundle = await ground.claim(1)
    await ground.worker.accept([bundle.lease_id], lease=LEASE)
    ending = Ending(
        task_id, bundle.lease_id, move, OutcomeName.FAILED, error=error, run_seconds=0.5,
        backoff_seconds=30.0 if move is Move.RETRY else None,
    )  # fmt: skip
    await ground.worker.finish([ending])
    await ground.queen.sweep_due(batch_size=10)
