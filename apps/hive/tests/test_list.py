"""`hive list`: the tasks that are meant, newest first, in a form that fits who reads it."""

import json
import re
import shlex

import pexpect
import pytest

from hive.looking.listing import next_command
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_store.worker_store import Ending
from hive_testkit.desk import Desk
from hive_testkit.ground import Ground

LONG = "x" * 90
REGISTER = (
    "insert into hive.worker (id, host, pid, version, queues, slots)"
    " select worker_id, $1, 7, '1', '{default}', 1 from hive.task where worker_id is not null"
)


def fail_one(desk: Desk, error: str, **options: str) -> TaskId:
    """Have a task fail, after a lease under which it ran."""

    async def run(ground: Ground) -> TaskId:
        [held] = await ground.lease(1, **options)
        task = held.task
        await ground.worker.start([(task.id, task.lease_id)])
        ending = Ending(
            task_id=task.id,
            lease_id=task.lease_id,
            move=Move.FAIL,
            outcome=OutcomeName.FAILED,
            error=error,
        )
        await ground.worker.finish([ending])
        return task.id

    return desk.do(run)


def ids(desk: Desk, *words: str) -> list[int]:
    done = desk("list", "--ids", *words)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.splitlines()]


def test_tasks_are_chosen_by_state_queue_kind_group_and_age(desk: Desk) -> None:
    failed = fail_one(desk, "no", kind="call")
    desk.sql("update hive.task set queue = 'other' where id = $1", failed)
    old, one, two = (
        *desk.submit(kind="call"),
        *desk.submit(kind="command", queue="gpu", group="g"),
        *desk.submit(kind="command"),
    )
    desk.sql("update hive.task set created_at = now() - interval '2 days' where id = $1", old)
    assert ids(desk) == [two, one, old, failed]
    assert ids(desk, "--state", "failed") == [failed]
    assert ids(desk, "--state", "queued, failed", "--kind", "call") == [old, failed]
    assert ids(desk, "--queue", "gpu") == ids(desk, "--group", "g") == [one]
    assert ids(desk, "--since", "1h") == [two, one, failed]
    assert ids(desk, "--until", "1h") == [old]
    assert ids(desk, "--since", "2000-01-01T00:00+00:00", "--until", "1d") == [old]
    assert ids(desk, "--queue", "none") == []


@pytest.mark.usefixtures("eighty_columns")
def test_a_table_fits_into_80_columns_and_says_where_and_why(desk: Desk) -> None:
    failed = fail_one(desk, f"no\nroom: {LONG}", kind="k" * 40)
    desk.sql(REGISTER, "h" * 60)
    [plain] = desk.submit(queue="q" * 60, group="g" * 60)
    lines = desk("list").stdout.splitlines()
    assert lines[0].split() == [
        "ID", "STATE", "KIND", "QUEUE", "AGE", "TRY", "TOOK", "GROUP", "WORKER", "ERROR",
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:2] == [str(plain), "queued"]
    assert lines[2].split()[:2] == [str(failed), "failed"]
    assert "no room" in lines[2]
    assert " hhhhhh" in lines[2]
    assert re.search(r" 1 0\.\d\d s ", lines[2])


@pytest.mark.usefixtures("eighty_columns")
def test_what_a_task_needs_and_why_it_waits_is_told(desk: Desk) -> None:
    [first] = desk.submit(key="door")
    [keyed] = desk.submit(key="door", needs=("gpu", "big"), slots=2)
    [child] = desk.submit(after=(first,))
    [limited] = desk.submit()
    blocked = "update hive.task set state = 'blocked', waits_for_limit = 'kind:trial' where id = $1"
    desk.sql(blocked, limited)
    rows = {row["id"]: row for row in json.loads(desk("list", "--json").stdout)}
    assert (rows[keyed]["needs"], rows[keyed]["slots"]) == (["big", "gpu"], 2)
    waits = {task_id: row["blocked_by"] for task_id, row in rows.items()}
    assert waits == {first: "key", keyed: "key", child: "tasks", limited: "kind:trial"}
    head, *lines = desk("list").stdout.splitlines()
    assert "NEEDS" in head
    assert max(map(len, lines)) <= 80
    assert "waits for limit" in lines[0]
    assert "waits for tasks" in lines[1]
    assert "waits for the t" in lines[2]


def test_columns_that_nobody_fills_are_left_out(desk: Desk) -> None:
    desk.submit()
    head, _ = desk("list").stdout.splitlines()
    assert head.split() == ["ID", "STATE", "KIND", "QUEUE", "AGE", "TRY", "TOOK"]


def test_json_is_one_array_of_whole_objects(desk: Desk) -> None:
    failed = fail_one(desk, LONG, group="g" * 60)
    [other] = desk.submit()
    newest, oldest = json.loads(desk("list", "--json").stdout)
    assert (newest["id"], newest["state"], newest["took_seconds"]) == (other, "queued", None)
    assert (oldest["id"], oldest["error"], oldest["group"]) == (failed, LONG, "g" * 60)
    assert oldest["age_seconds"] >= oldest["took_seconds"] > 0
    assert desk("list", "--json", "--queue", "none").stdout == "[\n]\n"


def test_the_command_for_the_next_page_is_told_until_there_is_none(desk: Desk) -> None:
    task_ids = desk.submit(5, group="two-words")
    done = desk("list", "--ids", "--limit", "2", "--group", "two-words")
    shown = done.stdout.split()
    while done.stderr:
        words = shlex.split(done.stderr.removeprefix("older ones: hive "))
        assert words[-2:] == ["--before", shown[-1]]
        done = desk.run(*words)
        shown += done.stdout.split()
    assert [int(task_id) for task_id in shown] == task_ids[::-1]


def test_the_next_command_has_one_before_and_survives_a_shell() -> None:
    words = ["list", "--before=9", "--queue", "a b", "--before", "7"]
    assert next_command(words, TaskId(3)) == "hive list --queue 'a b' --before 3"


def test_all_means_all_over_many_pages(desk: Desk) -> None:
    desk.sql("insert into hive.task (kind) select 'x' from generate_series(1, 2500)")
    everything = [row["id"] for row in desk.sql("select id from hive.task order by id desc")]
    assert ids(desk, "--all") == everything
    whole = json.loads(desk("list", "--all", "--json").stdout)
    assert [task["id"] for task in whole] == everything
    some = desk("list", "--limit", "2001")
    assert len(some.stdout.splitlines()) == 2001 + 3, "each page of 1,000 has a head"
    assert some.stderr.startswith("older ones: hive list --limit 2001")


def test_an_empty_list_says_so_and_is_no_error(desk: Desk) -> None:
    first = desk("list")
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr == "no tasks yet; try: hive run -- uname -a\n"
    assert desk("list", "--state", "failed").stderr == "no task fits\n"
    assert desk("list", "--ids").stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--state", "quued"], "'quued' is no state; did you mean queued?; states: blocked, sche"),
        (["--since", "soon"], "--since is 'soon'; write how long ago, like 10m or 2d, or a moment"),
        (["--until", "2030-13-01"], "--until is '2030-13-01'"),
        (["--since", "9999999d"], "--since is 9,999,999 days, which is too long"),
        (["--ids", "--json"], "--ids and --json are two ways to print"),
    ],
)
def test_what_cannot_be_meant_is_told(desk: Desk, words: list[str], message: str) -> None:
    done = desk("list", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_page_on_a_terminal_is_followed_by_the_next_command(desk: Desk) -> None:
    first, *_ = desk.submit(25)
    terminal = desk.console.on_terminal(["list"])
    terminal.expect("ID STATE")
    terminal.expect(rf"older ones: (hive list --before {first + 5})")
    rest = desk.console.on_terminal(terminal.match[1].split()[1:])
    rest.expect(f"{first} queued")
    rest.expect(pexpect.EOF)
    assert "older ones" not in rest.before
    for each in (terminal, rest):
        each.close()
        assert each.exitstatus == 0


def test_what_runs_is_told_with_how_long_it_has_run_so_far(desk: Desk) -> None:
    async def run(ground: Ground) -> None:
        [held] = await ground.lease(1)
        await ground.worker.start([(held.task.id, held.task.lease_id)])

    desk.do(run)
    desk.sql("update hive.task set started_at = now() - interval '70 s'")
    [task] = json.loads(desk("list", "--json").stdout)
    assert task["state"] == "running"
    assert 70 <= task["took_seconds"] < 170
