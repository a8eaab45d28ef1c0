"""The client without asyncio: the same methods, from any thread, and stopped by Ctrl-C."""

import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, get_overloads

import pytest

from hive_calls.demonstration import count_tokens, echo
from hive_client import Hive, NewTask, Submitter, SyncHive, TaskId, call
from hive_client.sync_hive import SyncSubmitter
from hive_contracts.errors import ConfigurationError, UnknownTaskError, UsageError
from hive_contracts.states import TaskState

SOON = timedelta(seconds=20)

ITS_OWN = {
    "within": "a connection of asyncpg belongs to the loop of its caller",
    "over": "a store and a bus belong to the loop of their opener",
    "open_subscriber": "it is what both of their `subscriber` are made of",
}
"""Methods of `Hive` that its twin cannot have, with the reason."""


@pytest.fixture
def sync_hive(database_url: str, redis_url: str) -> Generator[SyncHive]:
    with SyncHive.connect(database_url, redis_url) as hive:
        yield hive


def methods(kind: type) -> dict[str, Callable[..., Any]]:
    found = inspect.getmembers(kind, callable)
    return {name: method for name, method in found if not name.startswith("_")}


def shape(function: Callable[..., Any]) -> str:
    return str(inspect.signature(function).replace(return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("twin", "original"), [(SyncHive, Hive), (SyncSubmitter, Submitter)])
def test_the_twin_has_every_method_and_no_other(twin: type, original: type) -> None:
    assert methods(twin).keys() == methods(original).keys() - ITS_OWN.keys()


@pytest.mark.parametrize("name", sorted(methods(SyncHive)))
def test_each_method_of_the_twin_takes_what_the_original_takes(name: str) -> None:
    twin, original = getattr(SyncHive, name), getattr(Hive, name)
    assert [shape(each) for each in get_overloads(twin)] == [
        shape(each) for each in get_overloads(original)
    ]
    if name == "submit_in_chunks":
        # It alone differs: nothing asynchronous can be iterated over here.
        asynchronous = " | collections.abc.AsyncIterable[hive_contracts.tasks.NewTask]"
        assert shape(twin) == shape(original).replace(asynchronous, "")
    else:
        assert shape(twin) == shape(original)


def test_submit_look_cancel_and_wait(sync_hive: SyncHive) -> None:
    first = sync_hive.submit("trial", {"n": 1}, queue="side")
    second = sync_hive.with_options(priority=3).submit(echo, 7)
    many = sync_hive.submit_many(call(count_tokens, path=str(n)) for n in range(3))
    more = [each for chunk in sync_hive.submit_in_chunks([NewTask(kind="x")] * 3, chunk_tasks=2)
            for each in chunk]  # fmt: skip
    assert sync_hive.show(first).queue == "side"
    assert sync_hive.show(second).priority == 3
    task_ids = [first, second, *many, *more]
    assert sync_hive.cancel(*task_ids) == dict.fromkeys(task_ids, TaskState.CANCELLED)
    assert sync_hive.wait(first, within=SOON).state is TaskState.CANCELLED
    assert [ended.id for ended in sync_hive.wait_for_all(task_ids, within=SOON)] == task_ids
    assert {ended.id for ended in sync_hive.as_completed(task_ids, within=SOON)} == set(task_ids)


def test_errors_come_out_as_they_are(sync_hive: SyncHive) -> None:
    with pytest.raises(UnknownTaskError, match="no task 4711"):
        sync_hive.show(TaskId(4711))
    with pytest.raises(UnknownTaskError, match="no task 4711"):
        next(sync_hive.as_completed([TaskId(4711)]))
    task_id = sync_hive.submit("trial")
    with pytest.raises(TimeoutError):
        sync_hive.wait(task_id, within=timedelta(seconds=0.1))


def test_results_come_one_by_one_and_reading_may_stop(sync_hive: SyncHive) -> None:
    task_ids = [sync_hive.submit("trial") for _ in range(3)]
    sync_hive.cancel(task_ids[0])
    for ended in sync_hive.as_completed(task_ids, within=SOON):
        assert ended.id == task_ids[0]
        break
    ends = sync_hive.as_completed(task_ids[1:], within=SOON)
    sync_hive.cancel(task_ids[2])
    assert next(ends).id == task_ids[2]
    ends.close()


def test_many_threads_may_use_one(sync_hive: SyncHive) -> None:
    def submit_and_cancel(number: int) -> TaskState:
        task_id = sync_hive.submit("trial", number)
        sync_hive.cancel(task_id)
        return sync_hive.wait(task_id, within=SOON).state

    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(submit_and_cancel, range(40)))
    assert set(states) == {TaskState.CANCELLED}


def test_what_connect_refuses_is_raised_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HIVE_DATABASE_URL", raising=False)
    monkeypatch.setenv("HIVE_DATA_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="no Hive runs"), SyncHive.connect():
        pass


async def test_where_an_event_loop_runs_it_is_refused(database_url: str) -> None:
    with pytest.raises(UsageError, match=r"use `async with Hive.connect\(\)`"):
        SyncHive.connect(database_url).__enter__()


def test_one_that_is_closed_says_so_also_to_who_still_waits(
    database_url: str, redis_url: str
) -> None:
    refusals: list[str] = []
    begun = threading.Event()

    def wait_for(hive: SyncHive, task_id: TaskId) -> None:
        begun.set()
        try:
            hive.wait(task_id)
        except UsageError as error:
            refusals.append(str(error))

    with SyncHive.connect(database_url, redis_url) as hive:
        task_id = hive.submit("trial")
        waiting = threading.Thread(target=wait_for, args=(hive, task_id))
        waiting.start()
        begun.wait(10)
    waiting.join(10)
    [refusal] = refusals
    assert "this Hive" in refusal
    assert "closed" in refusal
    with pytest.raises(UsageError, match="this Hive is closed; connect anew"):
        hive.show(task_id)


def test_a_fork_does_not_inherit_it(sync_hive: SyncHive) -> None:
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        try:
            sync_hive.submit("trial")
        except UsageError as error:
            os.write(writes, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads) as answer:
        assert answer.read().endswith("was forked from; connect anew")


def test_ctrl_c_ends_a_wait_at_once_and_leaves_in_order(database_url: str, redis_url: str) -> None:
    program = (
        "import sys\nfrom hive_client import SyncHive\n"
        "with SyncHive.connect(*sys.argv[1:]) as hive:\n"
        "    task_id = hive.submit('trial')\n"
        "    try:\n        print('waiting', flush=True)\n        hive.wait(task_id)\n"
        "    except KeyboardInterrupt:\n        print(hive.show(task_id).state, flush=True)\n"
        "    for ended in hive.as_completed([task_id]):\n        pass\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, database_url, redis_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "queued\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert process.stderr.read().endswith("KeyboardInterrupt\n")
