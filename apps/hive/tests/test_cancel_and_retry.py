"""`hive cancel` and `hive retry`: exactly the tasks that are meant, and a true word on each."""

import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import pexpect
import psutil
import pytest

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_store.worker_store import Ending
from hive_testkit.console import LONGEST_SECONDS, Console
from hive_testkit.desk import Desk
from hive_testkit.ground import Ground

NOBODY: Final = 999_999_999
HOLD: Final = """
import asyncio, asyncpg, sys
async def hold():
    connection = await asyncpg.connect(sys.argv[1])
    async with connection.transaction():
        await connection.execute(f"select from hive.task where id in ({sys.argv[2]}) for update")
        print("held", flush=True)
        sys.stdin.readline()
asyncio.run(hold())
"""


def state_of(desk: Desk, task_id: TaskId) -> str:
    return desk.sql("select state::text from hive.task where id = $1", task_id)[0][0]


def finish(desk: Desk, task_id: TaskId, state: TaskState) -> None:
    """Have a task be in a state in which it has ended."""
    desk.sql(
        "update hive.task set state = $2::text::hive.task_state, finished_at = now(), outcome ="
        " $2::text::hive.outcome where id = $1",
        task_id,
        state,
    )


async def lease_and_start(ground: Ground) -> TaskId:
    [held] = await ground.lease(1)
    await ground.worker.start([(held.task.id, held.task.lease_id)])
    return held.task.id


def run_one(desk: Desk) -> TaskId:
    return desk.do(lease_and_start)


def test_a_reason_is_told_with_the_task_and_in_the_audit_log(desk: Desk) -> None:
    [waiting], running = desk.submit(), run_one(desk)
    done = desk("cancel", str(waiting), str(running), "--reason", "a typo in it")
    assert done.returncode == 0
    for task_id in (waiting, running):
        assert "a typo in it" in desk("show", str(task_id)).stdout
    [deed] = json.loads(desk("audit", "--json").stdout)
    assert (deed["what"], deed["details"]["reason"]) == ("cancel", "a typo in it")


def test_what_nobody_has_is_cancelled_at_once_and_what_runs_is_asked_to_stop(desk: Desk) -> None:
    running = run_one(desk)
    [queued] = desk.submit()
    done = desk("cancel", str(queued))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"hive: task {queued} is cancelled, and has nothing that runs\n"
    done = desk("cancel", str(running))
    assert done.returncode == 0
    assert f"task {running} has been asked to stop; wait for its end" in done.stderr
    assert state_of(desk, running) == "running"
    again = desk("cancel", str(queued))
    assert (again.returncode, "had ended already: cancelled" in again.stderr) == (0, True)


def test_each_is_told_in_a_count_and_one_that_is_not_there_is_exit_code_1(desk: Desk) -> None:
    running = run_one(desk)
    ended, *queued = desk.submit(3)
    finish(desk, ended, TaskState.SUCCEEDED)
    words = [str(i) for i in (running, ended, *queued, queued[0], NOBODY, 2**70)]
    done = desk("cancel", *words)
    assert done.returncode == 1
    assert done.stderr == (
        "hive: of 6 tasks, 2 cancelled, 1 asked to stop, 1 had ended already,"
        f" 2 not found ({NOBODY}, {2**70})\n"
    )
    assert desk("cancel", str(NOBODY)).stderr == f"hive: there is no task {NOBODY}\n"


def test_json_tells_the_same(desk: Desk) -> None:
    running = run_one(desk)
    [ended, queued] = desk.submit(2)
    finish(desk, ended, TaskState.SUCCEEDED)
    done = desk("cancel", "--json", *map(str, (running, ended, queued, NOBODY)))
    assert json.loads(done.stdout) == {
        "cancelled": 1,
        "asked_to_stop": 1,
        "had_ended": {"succeeded": 1},
        "not_found": [NOBODY],
        "held": [],
    }
    assert done.stderr == ""
    done = desk("retry", "--json", *map(str, (running, ended, queued, NOBODY)))
    assert (done.returncode, json.loads(done.stdout)) == (
        1,
        {
            "queued": 1,
            "refused": {"succeeded": [ended], "running": [running]},
            "not_found": [NOBODY],
            "held": [],
        },
    )


def test_only_failed_and_cancelled_tasks_are_queued_again(desk: Desk) -> None:
    running = run_one(desk)
    failed, cancelled, succeeded = desk.submit(3)
    finish(desk, failed, TaskState.FAILED)
    finish(desk, cancelled, TaskState.CANCELLED)
    finish(desk, succeeded, TaskState.SUCCEEDED)
    done = desk("retry", str(failed))
    assert (done.returncode, done.stdout) == (0, "")
    assert f"task {failed} is queued again; see what it writes with `hive logs -f" in done.stderr
    for task_id, state in ((running, "it is running"), (succeeded, "it succeeded")):
        refused = desk("retry", str(task_id))
        assert refused.returncode == 1
        assert refused.stderr == (
            f"hive: task {task_id} is not queued again: {state};"
            " only failed and cancelled tasks can be\n"
        )
    done = desk("retry", *map(str, (failed, cancelled, running, succeeded, NOBODY)))
    assert done.returncode == 1
    assert done.stderr == (
        f"hive: of 5 tasks, 1 queued again, 1 queued, and left so ({failed}),"
        f" 1 running, and left so ({running}), 1 succeeded, and left so ({succeeded}),"
        f" 1 not found ({NOBODY})\n"
    )


def test_a_filter_finds_only_what_the_deed_can_be_done_to(desk: Desk) -> None:
    mine = desk.submit(4, group="mine")
    [other] = desk.submit()
    finish(desk, mine[0], TaskState.SUCCEEDED)
    finish(desk, mine[1], TaskState.FAILED)
    tried = desk("cancel", "--group", "mine", "--dry-run")
    assert tried.stdout == f"2 tasks would be cancelled: {mine[3]}, {mine[2]}\n"
    assert desk("cancel", "--group", "mine").stderr == "hive: of 2 tasks, 2 cancelled\n"
    again = desk("cancel", "--group", "mine")
    assert again.returncode == 0
    assert "nothing to cancel: no task fits that could be cancelled" in again.stderr
    done = desk("retry", "--group", "mine", "--state", "failed")
    assert f"task {mine[1]} is queued again" in done.stderr
    assert desk("retry", "--group", "mine", "--json").stdout.startswith('{\n  "queued": 2,')
    assert state_of(desk, mine[0]) == "succeeded"
    assert state_of(desk, other) == "queued"


def test_a_key_chooses_too(desk: Desk) -> None:
    [mine] = desk.submit(key="mine")
    [other] = desk.submit(key="other")
    assert desk("list", "--key", "mine", "--ids").stdout == f"{mine}\n"
    assert desk("cancel", "--key", "mine").returncode == 0
    assert (state_of(desk, mine), state_of(desk, other)) == ("cancelled", "blocked")


def test_who_cancelled_what_is_written_down(desk: Desk) -> None:
    named, *_ = desk.submit(3, group="g")
    desk("cancel", str(named))
    desk("cancel", "--group", "g", "--state", "queued")
    rows = desk.sql("select target, details from hive.audit where what = 'cancel' order by at")
    assert [tuple(row) for row in rows] == [
        (str(named), '{"tasks": 1}'),
        ("--state queued --group g", '{"tasks": 2}'),
    ]


def test_a_dry_run_changes_nothing_and_names_the_first(desk: Desk) -> None:
    task_ids = desk.submit(30)
    done = desk("cancel", "--state", "queued", "--dry-run")
    first = ", ".join(str(i) for i in task_ids[:-21:-1])
    assert done.stdout == f"30 tasks would be cancelled: {first} and 10 more\n"
    named = desk("cancel", "--dry-run", "--json", str(task_ids[0]), str(NOBODY), str(2**70))
    assert json.loads(named.stdout) == {"count": 1, "first_ids": [task_ids[0]]}
    assert desk("retry", "--queue", "default", "--dry-run").stdout == (
        "0 tasks would be queued again\n"
    )
    assert desk.sql("select count(*) from hive.task where state <> 'queued'")[0][0] == 0


def test_more_than_20_that_a_filter_finds_need_a_yes_and_ids_do_not(desk: Desk) -> None:
    task_ids = desk.submit(21)
    done = desk("cancel", "--state", "queued")
    assert done.returncode == 2
    assert done.stderr == "hive: to cancel 21 tasks, add --yes; nothing was done\n"
    assert desk("cancel", *map(str, task_ids)).stderr == "hive: of 21 tasks, 21 cancelled\n"
    assert desk("retry", "--since", "1h", "--yes").stderr == "hive: of 21 tasks, 21 queued again\n"
    assert desk("cancel", "--kind", "trial", "-y").returncode == 0


def test_on_a_terminal_a_person_is_asked_and_may_say_no(desk: Desk) -> None:
    desk.submit(25)
    for answer, count in (("n", 25), ("y", 0)):
        terminal = desk.console.on_terminal(["cancel", "--state", "queued"])
        terminal.expect_exact("Cancel 25 tasks? [y/N] ")
        terminal.sendline(answer)
        terminal.expect("nothing was done" if answer == "n" else "of 25 tasks, 25 cancelled")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == (2 if answer == "n" else 0)
        assert desk.sql("select count(*) from hive.task where state = 'queued'")[0][0] == count


def test_ctrl_c_at_the_question_means_no(desk: Desk) -> None:
    desk.submit(25)
    terminal = desk.console.on_terminal(["cancel", "--state", "queued"])
    terminal.expect_exact("[y/N] ")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert "Traceback" not in terminal.before
    assert desk.sql("select count(*) from hive.task where state = 'queued'")[0][0] == 25


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_ids_come_from_standard_input_too(desk: Desk, verb: str) -> None:
    task_ids = desk.submit(3)
    for task_id in task_ids if verb == "retry" else ():
        finish(desk, task_id, TaskState.FAILED)
    listed = desk("list", "--ids").stdout
    done = desk.console(verb, "-", stdin=listed.encode())
    assert (done.returncode, done.stderr.startswith("hive: of 3 tasks, 3 ")) == (0, True)


def test_what_is_no_text_is_no_id_either(desk: Desk) -> None:
    done = desk.console("cancel", "-", stdin=b"7 \xff8\n")
    assert done.stderr == "hive: '\ufffd8' is no task's id; an id is a whole number\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name what to cancel: ids, or one or more of --state, --queue"),
        (["1", "--group", "g"], "ids and filters do not mix"),
        (["seven"], "'seven' is no task's id; an id is a whole number"),
        (["-7"], "No such option"),
        (["9" * 5000], "is no task's id"),
        (
            ["--state", "failed"],
            "--state failed cannot be meant here; possible: blocked, scheduled",
        ),
        (["--state", "done"], "'done' is no state"),
        (["--group", "none"], "no task has group 'none'"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_is_done(
    desk: Desk, words: list[str], message: str
) -> None:
    done = desk("cancel", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@contextmanager
def held(desk: Desk, *task_ids: TaskId) -> Generator["subprocess.Popen[bytes]"]:
    """Have another process hold tasks in a transaction, until a line is written to it."""
    words = [sys.executable, "-c", HOLD, desk.database_url, ",".join(map(str, task_ids))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            holder.kill()


@pytest.mark.parametrize("verb", ["cancel", "retry", "unpark"])
def test_a_task_that_another_transaction_holds_is_asked_again(
    desk: Desk, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_ids = desk.submit(3)
    for task_id in task_ids if verb == "retry" else ():
        finish(desk, task_id, TaskState.FAILED)
    if verb == "unpark":
        desk("park", *map(str, task_ids))
    with held(desk, *task_ids[:2]) as holder:
        monkeypatch.setattr("hive.acting.sweep.PATIENCE_SECONDS", 0.3)
        left = desk(verb, *map(str, task_ids))
        assert left.returncode == 1
        assert "2 held by another transaction" in left.stderr
        monkeypatch.setattr("hive.acting.sweep.PATIENCE_SECONDS", 30)
        assert holder.stdin is not None
        release = threading.Timer(0.3, holder.stdin.close)
        release.start()
        done = desk(verb, *map(str, task_ids[:2]))
        release.join()
    assert done.returncode == 0
    assert done.stderr.startswith("hive: of 2 tasks, 2 ")


def test_one_task_that_stays_held_is_told_with_the_way_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    [task_id] = desk.submit()
    monkeypatch.setattr("hive.acting.sweep.PATIENCE_SECONDS", 0.1)
    with held(desk, task_id):
        done = desk("cancel", str(task_id))
    assert done.returncode == 1
    assert f"another transaction holds task {task_id} (`hive doctor` may name it)" in done.stderr


def test_many_batches_are_done_and_postgres_going_away_amid_them_is_told(desk: Desk) -> None:
    desk.sql(
        "insert into hive.task (kind, group_name) select 'x', 'g' from generate_series(1, 2500)"
    )
    desk.sql(
        "create function hang_up() returns trigger language plpgsql as $$ begin"
        " perform pg_terminate_backend(pg_backend_pid()); return null; end $$;"
    )
    desk.sql(
        "create constraint trigger hang_up after update on hive.task deferrable initially deferred"
        " for each row when (new.id = 700) execute function hang_up()"
    )
    broken = desk("cancel", "--group", "g", "--yes")
    assert broken.returncode == 1
    assert (
        "hive: 1,000 of 2,500 tasks have been seen to; the same command once more" in broken.stderr
    )
    desk.sql("drop function hang_up cascade")
    done = desk("cancel", "--group", "g", "--yes")
    assert (done.returncode, done.stderr) == (0, "hive: of 1,500 tasks, 1,500 cancelled\n")


def test_to_wait_is_to_return_when_nothing_of_it_runs(hive: Console) -> None:
    script = "echo begun; sleep 61 & wait"
    payload = json.dumps({"argv": ["sh", "-c", script]})
    task = hive("submit", "command", "--payload", payload).stdout.strip()
    with hive.start("logs", "-f", task, stdout=subprocess.PIPE) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == b"begun\n"
        logs.kill()
    below = [p for p in psutil.process_iter(["cmdline"]) if script in (p.info["cmdline"] or [])]
    assert below
    done = hive("cancel", task, "--wait")
    assert done.returncode == 0
    assert done.stderr == (
        f"hive: task {task} has been asked to stop\nhive: nothing of it runs any more\n"
    )
    assert not any(process.is_running() for process in below)
    assert json.loads(hive("show", task, "--json").stdout)["state"] == "cancelled"


def succeed(desk: Desk, task_id: TaskId) -> None:
    """Have the worker that holds a task end it."""
    [(lease_id,)] = desk.sql("select lease_id from hive.task where id = $1", task_id)
    ending = Ending(
        task_id=task_id,
        lease_id=LeaseId(lease_id),
        move=Move.SUCCEED,
        outcome=OutcomeName.SUCCEEDED,
    )
    desk.do(lambda ground: ground.worker.finish([ending]))


def test_a_task_that_succeeds_in_spite_of_the_request_is_told(desk: Desk) -> None:
    task_id = run_one(desk)
    with desk.console.start("cancel", str(task_id), "--wait", stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr is not None
        assert b"asked to stop" in waiting.stderr.readline()
        succeed(desk, task_id)
        rest = waiting.stderr.read().decode()
        assert waiting.wait(LONGEST_SECONDS) == 0
    assert f"hive: task {task_id} succeeded before it could be stopped\n" in rest


def test_ctrl_c_leaves_the_waiting_and_says_that_the_request_stands(desk: Desk) -> None:
    task_id = run_one(desk)
    terminal = desk.console.on_terminal(["cancel", str(task_id), "--wait"])
    terminal.expect("asked to stop")
    terminal.sendintr()
    terminal.expect(f"being stopped all the same; `hive show {task_id}` says")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert state_of(desk, task_id) == "running"


def test_a_task_that_is_retried_runs_at_once_and_keeps_its_past(hive: Console) -> None:
    payload = json.dumps({"argv": ["sh", "-c", "echo run $HIVE_ATTEMPT; exit 3"]})
    words = ("submit", "command", "--payload", payload, "--wait", "--json")
    task = str(json.loads(hive(*words).stdout)["id"])
    assert hive("retry", task).returncode == 0
    assert hive("logs", "-f", task).stdout == "run 2\n"
    assert hive("logs", task, "--attempt", "1").stdout == "run 1\n"
