"""Functions that raise, crash, block the loop or return poison: each ends by itself, and alone.

    stalled   a worker whose loop is blocked for less than its lease: it keeps all that it has
    hung      a worker whose loop is blocked for longer: it loses all that it has to others
    main      runs every other case, and takes over what `hung` has lost

`main` alone has the executor of kind `trial`; it starts when the others have shown what they do
without it. All cases share one queen and one database; the tests look at one case each.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, TaskRecord
from hive_testkit.aftermath import Aftermath, look_at, submit_cases
from hive_testkit.cluster import Cluster, check, running_cluster, until
from hive_testkit.plugin import empty_redis, fresh_database
from hive_testkit.trial import install_trial_executor

FUNCTIONS: Final = Path(__file__).parent / "functions"
NEIGHBOURS: Final = 6
GOOD_CALLS: Final = 20
STALL_SECONDS: Final = 3.2
"""Longer than a proof lasts on the worker `stalled`, and much shorter than its lease."""

STALLED: Final = {
    "HIVE_WORKER_LEASE_SECONDS": "7",
    "HIVE_WORKER_HEARTBEAT_SECONDS": "1",
    "HIVE_WORKER_LEASE_MARGIN_SECONDS": "5",
}
HUNG: Final = {
    "HIVE_WORKER_LEASE_SECONDS": "2",
    "HIVE_WORKER_HEARTBEAT_SECONDS": "0.5",
    "HIVE_WORKER_LEASE_MARGIN_SECONDS": "0.5",
}

ERRORS: Final = {
    "refuse": "ValueError: 3 is not even\nTraceback (most recent call last):\n",
    "refuse_unspeakably": "ValueError: \\ud800 and \\x00\nTraceback",
    "not_a_number": "the result of bad_functions:not_a_number was lost: it cannot be stored as"
    " JSON: Out of range float values",
    "not_a_number_in_loop": "its result was refused: it cannot be stored as JSON: Out of range",
    "no_json": "the result of bad_functions:no_json was lost: it cannot be stored as JSON:",
    "no_json_in_loop": "its result was refused: it cannot be stored as JSON: ",
    "surrogate": "the result of bad_functions:surrogate was lost: it holds text that is not UTF-8",
    "surrogate_in_loop": "its result was refused: it holds text that is not UTF-8",
    "nul": "the result of bad_functions:nul was lost: it holds a NUL character",
    "nul_in_loop": "its result was refused: it holds a NUL character",
    "endless_number": "the result of bad_functions:endless_number was lost: it cannot be stored",
    "number_beyond_every_limit": "there is no sense in what the child said while running"
    " bad_functions:number_beyond_every_limit: not JSON: Integer value out of range",
    "nested_too_deep_in_loop": "its result was refused: it is nested too deeply",
    "leave": "SystemExit: 3",
    "leave_in_loop": "SystemExit: 3",
    "vanish": "the child process exited with code 7 while running bad_functions:vanish",
    "recurse": "RecursionError: maximum recursion depth exceeded",
    "overflow_the_stack": "the child process was killed by SIGSEGV while running bad_functions:",
    "crash": "the child process was killed by SIGSEGV while running bad_functions:crash",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to look at when everything is over."""

    after: Aftermath
    stranger: TaskRecord
    """The task of a kind that nobody had, as it was before anybody had it."""

    shown: str
    """What `hive show` said of it then."""


def call(function: str, *args: object, queue: str = "default") -> NewTask:
    payload = {"function": f"bad_functions:{function}", "args": list(args)}
    return NewTask(kind="call", payload=payload, queue=queue, max_attempts=1)


def wait_for(path: Path, queue: str) -> NewTask:
    """A command that goes on until there is a file, and says so."""
    line = f'echo waiting; until [ -e "{path}" ]; do sleep 0.05; done; echo there'
    return NewTask(kind="command", payload={"argv": ["sh", "-c", line]}, queue=queue)


@pytest.fixture(scope="module")
def scene(
    postgres_server: str,
    postgres_template: str,
    redis_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    empty_redis(redis_server)
    folder = tmp_path_factory.mktemp("bad-functions")
    with (
        fresh_database(postgres_server, postgres_template) as database_url,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        yield runner.run(run_everything(database_url, redis_server, folder))


async def run_everything(database_url: str, redis_url: str, folder: Path) -> Scene:
    async with (
        running_cluster(database_url, redis_url, folder) as cluster,
        Hive.connect(database_url, redis_url) as hive,
    ):
        task_ids, stranger, shown = await run_the_blocked(cluster, hive)
        start_main(cluster)
        cases = {name: call(name) for name in (*ERRORS, "large_number", "fork_and_stay")}
        cases |= {f"good {n}": call("double_in_loop", n) for n in range(GOOD_CALLS)}
        cases |= {"good child": call("double", 21)}
        task_ids |= await submit_cases(hive, cases)
        neighbours = await cluster.submit(hive, NEIGHBOURS)
        after = await look_at(cluster, hive, task_ids)
        await hive.wait_for_all(neighbours, within=timedelta(seconds=60))
        await check(cluster, hive)
        await until(lambda: not left_of(folder), seconds=10, what="children are left")
        return Scene(after=after, stranger=stranger, shown=shown)


async def run_the_blocked(
    cluster: Cluster, hive: Hive
) -> tuple[dict[str, TaskId], TaskRecord, str]:
    """Begin to block two workers, each with a command beside it."""
    folder = cluster.folder
    woke, went_on = folder / "stalled-woke", folder / "hung-went-on"
    allowed = {"HIVE_CALLS_MODULES": "bad_functions", "HIVE_CALLS_PATH": str(FUNCTIONS)}
    cluster.start("queen", "queen")
    cluster.start("stalled", "worker", "stalled", "kinds", env=STALLED | allowed)
    cluster.start("hung", "worker", "hung", env=HUNG | allowed)
    first = {
        "stranger": NewTask(kind="trial", queue="kinds", max_attempts=1),
        "beside the stalled": wait_for(woke, "stalled"),
        "beside the hung": wait_for(went_on, "hung"),
    }
    task_ids = await submit_cases(hive, first)
    stranger, shown = await given_back(cluster, hive, task_ids["stranger"])
    for name in ("beside the stalled", "beside the hung"):
        await reaches(hive, task_ids[name], TaskState.RUNNING)
    blockers = {
        "stalled": call("block_for", STALL_SECONDS, str(woke), queue="stalled"),
        "hung": call("block_until_another_has_run", str(folder), queue="hung"),
    }
    task_ids |= await submit_cases(hive, blockers)
    began = folder / "hung-began"
    await until(began.exists, seconds=30, what="the loop is not blocked")
    return task_ids, stranger, shown


def start_main(cluster: Cluster) -> None:
    packages = cluster.folder / "packages"
    packages.mkdir()
    install_trial_executor(packages)
    env = {
        "HIVE_CALLS_MODULES": "bad_functions",
        "HIVE_CALLS_PATH": str(FUNCTIONS),
        "PYTHONPATH": os.pathsep.join([str(packages), *sys.path]),
    }
    cluster.start("main", "worker", "default", "kinds", "hung", env=env)


async def given_back(cluster: Cluster, hive: Hive, task_id: TaskId) -> tuple[TaskRecord, str]:
    """Return a task as it is when it waits after it was given back, and how it is shown."""
    while True:
        record = await reaches(hive, task_id, TaskState.SCHEDULED)
        shown = (await cluster.printed("show", "--full", str(task_id))).decode()
        if "\nstate     scheduled\n" in shown:
            return record, shown


async def reaches(hive: Hive, task_id: TaskId, state: TaskState) -> TaskRecord:
    async with asyncio.timeout(30):
        while (record := await hive.show(task_id)).state is not state:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.02)
        return record


def left_of(folder: Path) -> list[int]:
    """Return the processes that have the folder in their environment, as every child has."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and str(folder).encode() in environment(entry)
    ]


def environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("case", ERRORS)
def test_a_function_that_cannot_succeed_fails_once_and_says_why(scene: Scene, case: str) -> None:
    record = scene.after.records[case]
    assert record.state is TaskState.FAILED
    assert record.error is not None
    assert record.error.startswith(ERRORS[case])
    assert (record.failures, record.losses, record.history) == (1, 0, ())


def test_what_is_flushed_together_with_poison_is_accepted(scene: Scene) -> None:
    records = scene.after.records
    results = [records[f"good {number}"].result for number in range(GOOD_CALLS)]
    assert results == [2 * number for number in range(GOOD_CALLS)]
    assert records["good child"].result == 42


def test_a_number_larger_than_any_float_is_a_result(scene: Scene) -> None:
    assert scene.after.records["large_number"].result == 10**400


def test_what_a_function_forks_and_leaves_harms_no_result(scene: Scene) -> None:
    assert scene.after.records["fork_and_stay"].result == 5


def test_a_loop_that_is_blocked_for_less_than_a_lease_keeps_leases_and_processes(
    scene: Scene,
) -> None:
    for name in ("stalled", "beside the stalled"):
        record = scene.after.records[name]
        assert (record.state, record.history, record.attempt) == (TaskState.SUCCEEDED, (), 1)
    assert scene.after.output["beside the stalled"] == b"waiting\nthere\n"


def test_a_loop_that_is_blocked_for_longer_loses_its_tasks_to_others_and_its_result(
    scene: Scene,
) -> None:
    hung, beside = scene.after.records["hung"], scene.after.records["beside the hung"]
    assert (hung.state, hung.result) == (TaskState.SUCCEEDED, "second")
    assert beside.state is TaskState.SUCCEEDED
    for record in (hung, beside):
        assert record.history
        assert {past.outcome for past in record.history} <= {"lost", "released"}
        assert record.failures == 0


def test_a_kind_that_no_worker_has_waits_uncounted_and_says_for_what(scene: Scene) -> None:
    reason = scene.stranger.error or ""
    assert (scene.stranger.failures, scene.stranger.attempt) == (0, 0)
    assert reason.startswith(
        "its worker has no executor for kind 'trial'; installed: agent, call, "
    )
    assert {past.outcome for past in scene.stranger.history} == {"released"}
    assert f"waits {reason}; it is due again " in " ".join(scene.shown.split())


def test_a_kind_that_no_worker_had_runs_once_a_worker_has_it(scene: Scene) -> None:
    record = scene.after.records["stranger"]
    assert (record.state, record.result) == (TaskState.SUCCEEDED, {"ok": True})
    assert (record.attempt, record.failures, record.losses) == (1, 0, 0)
    assert len(record.history) <= 6
