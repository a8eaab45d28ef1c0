"""Commands that cannot start, flood, hide or will not die: each ends by itself, and alone.

All run at once beside well-behaved neighbours, on one queen and one worker; the fixture holds the
neighbours to their results and counts what is left, the tests look at one case each.
"""

import asyncio
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from hive_client import Hive
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_testkit.aftermath import Aftermath, look_at, submit_cases
from hive_testkit.cluster import check, running_cluster
from hive_testkit.plugin import empty_redis, fresh_database

GIBIBYTE: Final = 1024**3
MOST_MEMORY_BYTES: Final = 256 * 1024**2
OUTPUT_CAP_BYTES: Final = 1024**2
NO_TEXT: Final = b"\xff\xfe no text \x80\n"
NEIGHBOURS: Final = 12

DAEMON = """
import os, sys, time
if os.fork():
    print("left", flush=True)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 64)
if sys.argv[2] == "hidden":
    sleep = [sys.executable, "-ISc", "import time; time.sleep(600)", sys.argv[1]]
    os.execve(sys.executable, sleep, {})
time.sleep(600)
"""


def cases(folder: Path) -> dict[str, NewTask]:
    """Every case; each names the folder among its arguments, so that what is left of it is seen."""
    text = folder / "plain.txt"
    text.write_text("no program\n")
    script = folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)

    def command(*argv: str, timeout_seconds: float | None = None) -> NewTask:
        timeout = None if timeout_seconds is None else timedelta(seconds=timeout_seconds)
        return NewTask(kind="command", payload={"argv": [*argv, str(folder)]}, timeout=timeout)

    def shell(line: str, timeout_seconds: float | None = None) -> NewTask:
        return command("sh", "-c", line, timeout_seconds=timeout_seconds)

    return {
        "missing": command("no-such-program"),
        "not executable": command(str(text)),
        "no interpreter": command(str(script)),
        "flood": shell(f"head -c {GIBIBYTE} /dev/zero; echo the end"),
        "no text": shell("printf '\\377\\376 no text \\200\\n'"),
        "silent": shell("exec >&- 2>&-; sleep 0.5; exit 4"),
        "silent for ever": shell("exec >&- 2>&-; exec sleep 600", timeout_seconds=0.5),
        "deaf": shell("trap '' TERM; echo on; while :; do sleep 1; done", timeout_seconds=0.5),
        "daemon": command(sys.executable, "-ISc", DAEMON, str(folder), "plain"),
        "hidden daemon": command(sys.executable, "-ISc", DAEMON, str(folder), "hidden"),
        "suicide": shell("kill -KILL $$"),
    }


@pytest.fixture(scope="module")
def after(
    postgres_server: str,
    postgres_template: str,
    redis_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Aftermath]:
    empty_redis(redis_server)
    folder = tmp_path_factory.mktemp("bad-commands")
    with (
        fresh_database(postgres_server, postgres_template) as database_url,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        yield runner.run(run_everything(database_url, redis_server, folder))


async def run_everything(database_url: str, redis_url: str, folder: Path) -> Aftermath:
    async with (
        running_cluster(database_url, redis_url, folder) as cluster,
        Hive.connect(database_url, redis_url) as hive,
    ):
        cluster.start("queen", "queen")
        cluster.start("worker", "worker", "--async", env={"HIVE_COMMAND_GRACE_SECONDS": "0.5"})
        task_ids = await submit_cases(hive, cases(folder))
        neighbours = await cluster.submit(hive, NEIGHBOURS)
        await hive.wait_for_all(neighbours, within=timedelta(seconds=60))
        found = await look_at(cluster, hive, task_ids)
        found.output["hive logs"] = await cluster.printed("logs", str(task_ids["no text"]))
        count = await check(cluster, hive)
        assert count.losses == 0
        return found


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("missing", "no such program: 'no-such-program'"),
        ("not executable", "not an executable program: '{folder}/plain.txt'"),
        (
            "no interpreter",
            "'{folder}/script' is neither a program for this machine nor a script "
            "whose first line names an interpreter that exists",
        ),
        ("silent", "exit code 4"),
        ("silent for ever", "it ran longer than its time-out of 0.5 s"),
        ("deaf", "it ran longer than its time-out of 0.5 s"),
        (
            "suicide",
            "killed by SIGKILL; if nobody did that by hand, the machine was out of memory",
        ),
    ],
)
def test_a_command_that_cannot_succeed_fails_once_and_says_why(
    after: Aftermath, case: str, error: str
) -> None:
    record = after.records[case]
    folder = record.payload["argv"][-1]
    assert (record.state, record.error) == (TaskState.FAILED, error.format(folder=folder))
    assert (record.failures, record.losses, record.history) == (1, 0, ())


def test_a_gigabyte_of_output_costs_its_worker_and_the_store_no_more_than_the_cap(
    after: Aftermath,
) -> None:
    assert after.records["flood"].state is TaskState.SUCCEEDED
    assert len(after.output["flood"]) <= OUTPUT_CAP_BYTES
    assert after.output["flood"].endswith(b"\0the end\n")
    assert after.peaks_bytes["worker"] < MOST_MEMORY_BYTES


def test_output_that_is_no_text_is_kept_and_shown_as_it_is(after: Aftermath) -> None:
    assert after.records["no text"].state is TaskState.SUCCEEDED
    assert after.output["no text"] == NO_TEXT
    assert after.output["hive logs"] == NO_TEXT


def test_what_a_command_leaves_running_is_ended_and_told(after: Aftermath) -> None:
    for case in ("daemon", "hidden daemon"):
        record = after.records[case]
        assert record.state is TaskState.SUCCEEDED
        assert after.output[case] == b"left\n"
    result: Any = after.records["daemon"].result
    assert result["left_behind"] >= 1


def test_a_command_that_ignores_sigterm_has_said_what_it_had_to_say(after: Aftermath) -> None:
    assert after.output["deaf"] == b"on\n"
