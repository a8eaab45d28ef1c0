"""Keys under everything at once: queens, workers, retries, cancels, revives, open transactions.

What happened is read from the log, whose order is that of the transactions: of one key no two tasks
have the turn at once, each turn goes to the earliest that waits, and nobody is left behind.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

import asyncpg

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.worker_store import Ending
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

KEYS: Final = 12
STRESS_SECONDS: Final = 4.0
LEASE: Final = timedelta(seconds=0.2)
ENDINGS: Final = [
    *[(Move.SUCCEED, OutcomeName.SUCCEEDED)] * 6,
    (Move.RETRY, OutcomeName.FAILED),
    (Move.FAIL, OutcomeName.FAILED),
    (Move.RELEASE, OutcomeName.RELEASED),
    (Move.CANCEL, OutcomeName.CANCELLED),
]
ENDS: Final = frozenset({"succeeded", "failed", "cancelled"})


class Stress:
    """Everybody's shared knowledge."""

    def __init__(self) -> None:
        self.random = random.Random(11)
        self.ids: list[TaskId] = []
        self.in_order: set[TaskId] = set()
        """What one submitter has submitted, each before the next."""

        self.leases: list[LeaseId] = []
        self.end = asyncio.get_running_loop().time() + STRESS_SECONDS
        self.is_over = False

    def goes_on(self) -> bool:
        return asyncio.get_running_loop().time() < self.end

    def key(self) -> str:
        return f"key-{self.random.randrange(KEYS)}"

    def some_new(self) -> list[NewTask]:
        return [NewTask(kind="call", key=self.key()) for _ in range(self.random.randint(1, 4))]

    async def submit(self, tasks: TaskStore) -> None:
        while self.goes_on():
            ids = await tasks.submit(self.some_new())
            self.in_order.update(ids)
            self.ids += ids
            await asyncio.sleep(0.001)

    async def submit_late(self, line: Line) -> None:
        tasks = TaskStore(line)
        while self.goes_on():
            async with line.lent() as own:
                transaction = own.transaction()
                await transaction.start()
                ids = await tasks.submit(self.some_new(), connection=own)
                await asyncio.sleep(self.random.random() * 0.02)
                if self.random.random() < 0.3:
                    await transaction.rollback()
                else:
                    await transaction.commit()
                    self.ids += ids

    async def reign(self, queen: QueenStore) -> None:
        while not self.is_over:
            await queen.grant_turns(batch_size=self.random.randint(1, 20))
            bundles = await queen.claim(
                "default",
                limit=self.random.randint(1, 20),
                lease=LEASE,
                bundle_size=4,
                worker_count=1,
                watermarks=Watermarks(),
            )
            self.leases += [bundle.lease_id for bundle in bundles]
            await queen.reap(batch_size=5)
            await queen.sweep_due(batch_size=50)
            await asyncio.sleep(0.001)

    async def work(self, worker: WorkerStore) -> None:
        while not self.is_over:
            some = self.random.choices(self.leases[-20:], k=4) if self.leases else []
            granted = await worker.accept(some, lease=LEASE)
            held = await worker.tasks_of(granted)
            if self.random.random() < 0.5:
                await worker.start([(each.task.id, each.task.lease_id) for each in held])
            endings = [
                Ending(each.task.id, each.task.lease_id, *self.random.choice(ENDINGS))
                for each in held
                if self.random.random() < 0.9
            ]
            await worker.finish(endings)
            await asyncio.sleep(0.001)

    async def meddle(self, tasks: TaskStore) -> None:
        while self.goes_on():
            if self.ids:
                some = self.random.choices(self.ids, k=5)
                await tasks.cancel(some[:1])
                await tasks.revive(some)
            await asyncio.sleep(0.002)


async def everything_has_ended(tasks: TaskStore) -> bool:
    counts = (await tasks.count()).get("default", {})
    return not any(counts.get(s) for s in TaskState if s.value not in ENDS)


async def violations(database: Connection, in_order: set[TaskId]) -> tuple[int, int, int]:
    """How many turns there were, how many overlapped, and how many went to the wrong task.

    Only of submits that do not overlap in time can be said which was first, and a task that was
    revived has lost its place.
    """
    rows = await database.fetch(
        "select e.type::text as type, t.key, t.id"
        " from hive.event e join hive.task t on t.id = any(coalesce(e.task_ids, array[e.task_id]))"
        " where e.type in ('unblocked', 'succeeded', 'failed', 'cancelled', 'revived')"
        " order by e.xid, e.id"
    )
    turn_of: dict[str, int | None] = {}
    furthest: dict[str, int] = {}
    revived: set[int] = set()
    turns = overlaps = misplaced = 0
    for row in rows:
        key, task_id = row["key"], row["id"]
        if row["type"] == "revived":
            revived.add(task_id)
        elif row["type"] == "unblocked":
            turns += 1
            overlaps += turn_of.get(key) is not None
            turn_of[key] = task_id
            if task_id in in_order - revived:
                misplaced += task_id < furthest.get(key, 0)
                furthest[key] = max(furthest.get(key, 0), task_id)
        elif turn_of.get(key) == task_id:
            turn_of[key] = None
    return turns, overlaps, misplaced


async def test_turns_never_overlap_and_nobody_is_left_behind(
    open_line: Callable[[], Line],
    open_queen: Callable[[], QueenStore],
    open_worker: Callable[[], WorkerStore],
    database: Connection,
) -> None:
    stress, tasks = Stress(), TaskStore(open_line())
    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(stress.reign(open_queen()))
            group.create_task(stress.submit_late(open_line()))
        for _ in range(4):
            group.create_task(stress.work(open_worker()))
        group.create_task(stress.submit(TaskStore(open_line())))
        group.create_task(stress.meddle(TaskStore(open_line())))
        await asyncio.sleep(STRESS_SECONDS)
        await until(lambda: everything_has_ended(tasks), within_seconds=120)
        stress.is_over = True
    turns, overlaps, misplaced = await violations(database, stress.in_order)
    assert turns >= len(stress.ids) * 0.5 > 50
    assert overlaps == 0
    assert misplaced == 0
    assert await tasks.count_orphans() == 0
    await open_queen().grant_turns(batch_size=1000)
    assert await database.fetchval("select count(*) from hive.key_wake") == 0
