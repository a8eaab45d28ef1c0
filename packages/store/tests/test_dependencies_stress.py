"""Dependencies under everything at once: queens, workers, retries, cancels, revives, late commits.

What happened is read from the log, whose order is that of the transactions: nothing goes on before
all that it comes after have ended, nothing runs after a failure that calls it off, and nobody is
left behind.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple, TypeAlias

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

KEYS: Final = 6
STRESS_SECONDS: Final = 5.0
LEASE: Final = timedelta(seconds=0.2)
ENDINGS: Final = [
    *[(Move.SUCCEED, OutcomeName.SUCCEEDED)] * 8,
    (Move.RETRY, OutcomeName.FAILED),
    (Move.FAIL, OutcomeName.FAILED),
    (Move.RELEASE, OutcomeName.RELEASED),
    (Move.CANCEL, OutcomeName.CANCELLED),
]
ENDS: Final = frozenset({"succeeded", "failed", "cancelled"})


class Stress:
    """Everybody's shared knowledge."""

    def __init__(self) -> None:
        self.random = random.Random(7)
        self.ids: list[TaskId] = []
        self.leases: list[LeaseId] = []
        self.end = asyncio.get_running_loop().time() + STRESS_SECONDS
        self.is_over = False

    def goes_on(self) -> bool:
        return asyncio.get_running_loop().time() < self.end

    def some_new(self) -> list[NewTask]:
        """Tasks of which many come after recent ones, or after one another, and some have keys."""
        return [self.one_new(place) for place in range(self.random.randint(1, 4))]

    def one_new(self, place: int) -> NewTask:
        recent = self.ids[-30:]
        parents: list[TaskId | str] = []
        parents += self.random.sample(recent, k=min(len(recent), self.random.randint(0, 3)))
        if place and self.random.random() < 0.3:
            parents.append(f"{place - 1}")
        key = f"key-{self.random.randrange(KEYS)}" if self.random.random() < 0.2 else None
        wish = self.random.choice(["cancel", "run"]) if parents else "cancel"
        return NewTask(
            kind="call", name=f"{place}", after=tuple(parents), if_parent_fails=wish, key=key
        )

    async def submit(self, tasks: TaskStore) -> None:
        while self.goes_on():
            self.ids += await tasks.submit(self.some_new())
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
            size = self.random.randint(1, 20)
            await queen.close_dependencies(batch_size=size)
            await queen.release_gates(batch_size=size)
            await queen.grant_turns(batch_size=size)
            bundles = await queen.claim(
                "default",
                limit=size,
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
            endings = [
                Ending(each.task.id, each.task.lease_id, *self.random.choice(ENDINGS))
                for each in held
                if self.random.random() < 0.95
            ]
            await worker.finish(endings)
            await asyncio.sleep(0.001)

    async def meddle(self, tasks: TaskStore) -> None:
        while self.goes_on():
            if self.ids:
                some = self.random.choices(self.ids, k=3)
                await tasks.cancel(some[:1])
                await tasks.revive(some)
            await asyncio.sleep(0.02)


class Story(NamedTuple):
    """What the log tells of dependent tasks."""

    releases: int
    too_early: int
    """How many were leased before a task had ended that they come after."""

    uncalled: int
    """How many succeeded although one did not that calls them off."""


async def story(database: Connection) -> Story:
    """Read the log. What was revived runs anew, whatever became of what it comes after."""
    parents: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in await database.fetch(
        "select child_id, parent_id, if_parent_fails::text as wish from hive.dependency"
    ):
        parents[row["child_id"]].append((row["parent_id"], row["wish"]))
    rows = await database.fetch(
        "select type::text as type, coalesce(task_ids, array[task_id]) as ids"
        " from hive.event order by xid, id"
    )
    ends: dict[int, set[str]] = defaultdict(set)
    revived: set[int] = set()
    releases = too_early = uncalled = 0
    for row in rows:
        for task_id in row["ids"]:
            if row["type"] == "revived":
                revived.add(task_id)
            elif row["type"] in ENDS:
                ends[task_id].add(row["type"])
                uncalled += row["type"] == "succeeded" and any(
                    ends[parent] & {"failed", "cancelled"}
                    for parent, wish in parents[task_id]
                    if wish == "cancel" and not {parent, task_id} & revived
                )
            elif row["type"] == "dispatched" and parents[task_id]:
                releases += 1
                too_early += any(not ends[parent] for parent, _ in parents[task_id])
    return Story(releases, too_early, uncalled)


async def everything_has_ended(tasks: TaskStore) -> bool:
    counts = (await tasks.count()).get("default", {})
    return not any(counts.get(s) for s in TaskState if s.value not in ENDS)


async def test_nothing_goes_on_too_early_and_nobody_is_left_behind(
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
    told = await story(database)
    assert told.releases > 50
    assert told.too_early == 0
    assert told.uncalled == 0
    assert await tasks.count_orphans() == 0
    stranded = await open_queen().wake_stranded(batch_size=1000, quiet=timedelta(0))
    assert stranded == 0
