"""How soon what is called off has ended: tasks that run, and a great many that wait.

Each task that runs is deaf to SIGTERM, so that all of its grace passes before it is killed. What is
measured is the time beside it, by the database's clock, from before the call to the task's end. The
calls are spread over most of a heartbeat, by which a worker finds them while Redis is away.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Final

from hive_bench.bench import Bench
from hive_bench.candidates import hive_processes
from hive_bench.crew import Crew, FailedError
from hive_bench.rows.row import Measured, Row
from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store.connecting import Connection

__all__ = ["CANCEL"]

GRACE_SECONDS: Final = 1.0
DEAF: Final = ("sh", "-c", "trap '' TERM; exec sleep 600")
LONGEST: Final = timedelta(seconds=30)
SPREAD_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 0.05

TOOK: Final = """
select extract(epoch from finished_at - $2)::double precision
from hive.task where id = $1 and state = 'cancelled'
"""


async def _running(bench: Bench) -> Measured:
    count = bench.scale.called_off
    grace = f"command.grace_seconds={GRACE_SECONDS:g}"
    processes = hive_processes(1, "--async", "--slots", str(count), "--set", grace)
    found: dict[str, list[list[float]]] = {"with Redis": [], "without Redis": []}
    for number in range(bench.scale.few_rounds):
        async with bench.crew("hive") as crew:
            with crew.at_work(processes=processes):
                found["with Redis"].append(await _one_round(crew, count, is_away=False))
                found["without Redis"].append(await _one_round(crew, count, is_away=True))
        for name, rounds in found.items():
            bench.note(f"cancel, round {number + 1}, {name}: {max(rounds[-1]):.2f} s at most")
    samples = [
        [share(times) for times in rounds]
        for rounds in found.values()
        for share in (statistics.median, max)
    ]
    return Measured(samples, {f"seconds {name}": rounds for name, rounds in found.items()})


async def _one_round(crew: Crew, count: int, *, is_away: bool) -> list[float]:
    """Call tasks off, spread over a while; return how long each took beside its grace."""
    url = crew.ground.url_of(crew.database)
    async with AsyncExitStack() as stack:
        hive = await stack.enter_async_context(Hive.connect(url, crew.ground.redis_url))
        connection = await stack.enter_async_context(crew.ground.connected(crew.database))
        deaf = NewTask(kind="command", payload={"argv": list(DEAF)})
        task_ids = await hive.submit_many([deaf] * count)
        await _until_running(hive, task_ids, crew)
        if is_away:
            await stack.enter_async_context(crew.ground.without_redis())
        called_at: dict[TaskId, datetime] = {}
        for task_id in task_ids:
            called_at[task_id] = await connection.fetchval("select clock_timestamp()")
            await hive.cancel(task_id)
            await asyncio.sleep(SPREAD_SECONDS / count)
        await hive.wait_for_all(task_ids, within=LONGEST)
        return [await _beside_grace(connection, i, at) for i, at in called_at.items()]


async def _until_running(hive: Hive, task_ids: Sequence[TaskId], crew: Crew) -> None:
    give_up_at = time.perf_counter() + LONGEST.total_seconds()
    while {*(await hive.tasks.states(task_ids)).values()} != {TaskState.RUNNING}:
        if time.perf_counter() > give_up_at:
            raise FailedError(f"not all tasks began: {crew.last_words()}")
        await asyncio.sleep(LOOK_SECONDS)


async def _beside_grace(connection: Connection, task_id: TaskId, called_at: datetime) -> float:
    took: float | None = await connection.fetchval(TOOK, task_id, called_at)
    if took is None:
        raise FailedError(f"task {task_id} has ended otherwise than cancelled")
    return took - GRACE_SECONDS


async def _waiting(bench: Bench) -> Measured:
    count = bench.scale.submitted
    rates: list[float] = []
    for _ in range(bench.scale.few_rounds):
        async with bench.crew("hive") as crew:
            await crew.submit(count)
            url = crew.ground.url_of(crew.database)
            async with Hive.connect(url, crew.ground.redis_url) as hive:
                began = time.perf_counter()
                called_off = await hive.cancel_all(Selection(queue="default"))
                rates.append(count / (time.perf_counter() - began))
            if called_off.cancelled != count:
                raise FailedError(f"{called_off.cancelled} of {count} tasks were cancelled")
    return Measured([rates], {"seconds": [count / rate for rate in rates]})


CANCEL: Final = (
    Row(
        name="cancel",
        says="seconds to the end of a running task that is called off, beside its grace: p50 and"
        " most with Redis, p50 and most without",
        reach=(None, 1.0, None, 6.0),
        measure=_running,
        is_less_better=True,
    ),
    Row(
        name="cancel-many",
        says="waiting tasks called off a second, all that a filter finds",
        reach=(None,),
        measure=_waiting,
    ),
)
