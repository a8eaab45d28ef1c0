"""Everybody at once, for a while: no deadlock, nothing lost, nothing done twice, no lease leaked.

Workers accept late, start late, finish in parts, repeat themselves, forget bundles, and use leases
that are long gone. Every result that the store says it has accepted is counted, and held against
the log.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import uuid4

import asyncpg

from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import HeartbeatStore, Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import ClaimedBundle, Watermarks
from hive_store.worker_store import Ending

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pair: TypeAlias = tuple[TaskId, LeaseId]

TASKS: Final = 300
STRESS_SECONDS: Final = 3.0
SHORT: Final = timedelta(milliseconds=50)
MINUTE: Final = timedelta(minutes=1)
ENDINGS: Final = [
    *[(Move.SUCCEED, OutcomeName.SUCCEEDED)] * 6,
    (Move.RETRY, OutcomeName.FAILED),
    (Move.FAIL, OutcomeName.FAILED),
    (Move.RELEASE, OutcomeName.RELEASED),
    (Move.CANCEL, OutcomeName.CANCELLED),
]


class Stress:
    """What all who take part share: leases and tasks ever seen, and what was accepted."""

    def __init__(self, ids: Sequence[TaskId]) -> None:
        self.ids = ids
        self.random = random.Random(7)
        self.leases: list[LeaseId] = []
        self.pairs: list[Pair] = []
        self.accepted: Counter[TaskId] = Counter()
        self.calls: Counter[str] = Counter()
        self.end = asyncio.get_running_loop().time() + STRESS_SECONDS

    def goes_on(self) -> bool:
        return asyncio.get_running_loop().time() < self.end

    def some(self, count: int) -> list[LeaseId]:
        return self.random.choices(self.leases[-25:], k=count) if self.leases else []

    async def claim(self, queen: QueenStore) -> None:
        while self.goes_on():
            bundles = await take(queen, limit=self.random.randint(1, 20), lease=SHORT, size=4)
            self.leases += [bundle.lease_id for bundle in bundles]
            self.calls["claimed"] += len(bundles)
            if self.random.random() < 0.3:
                self.calls["taken back"] += await queen.release(self.some(3), reason="not sent")

    async def work(self, worker: WorkerStore) -> None:
        while self.goes_on():
            granted = await worker.accept(self.some(4), lease=SHORT)
            self.calls["accepted"] += len(granted)
            read = await worker.read([lease.lease_id for lease in granted])
            held = [(leased.task.id, leased.task.lease_id) for leased in read]
            self.pairs += held
            if self.random.random() < 0.5:
                await worker.start(held[: len(held) // 2 + 1])
            stale = self.random.choices(self.pairs, k=3) if self.pairs else []
            await self.finish(worker, {*held[: len(held) * 2 // 3 + 1], *stale})

    async def finish(self, worker: WorkerStore, pairs: set[Pair]) -> None:
        endings: list[Ending] = []
        for task_id, lease_id in pairs:
            move, outcome = self.random.choice(ENDINGS)
            endings.append(Ending(task_id=task_id, lease_id=lease_id, move=move, outcome=outcome))
        for _ in range(self.random.randint(1, 2)):
            for row in await worker.finish(endings):
                is_new = row.queen_id is not None
                self.calls["finished" if is_new else "repeated"] += len(row.task_ids)
                if is_new and row.state is TaskState.SUCCEEDED:
                    self.accepted.update(row.task_ids)

    async def beat(self, heartbeat: HeartbeatStore) -> None:
        while self.goes_on():
            self.calls["renewed"] += len(await heartbeat.renew(self.some(9), lease=SHORT))

    async def reap(self, queen: QueenStore) -> None:
        while self.goes_on():
            self.calls["reaped"] += len(await queen.reap(batch_size=5))
            await queen.sweep_due(batch_size=50)

    async def meddle(self, tasks: TaskStore) -> None:
        while self.goes_on():
            some = self.random.sample(self.ids, k=10)
            self.calls["called off"] += len(await tasks.cancel(some[:3]))
            self.calls["revived"] += len(await tasks.revive(some))


async def take(
    queen: QueenStore, *, limit: int, lease: timedelta, size: int
) -> list[ClaimedBundle]:
    return await queen.claim(
        "default",
        limit=limit,
        lease=lease,
        bundle_size=size,
        worker_count=1,
        watermarks=Watermarks(),
    )


async def drain(queen: QueenStore, worker: WorkerStore, stress: Stress) -> None:
    """Bring everything that is left to its end, as an ordinary worker would."""
    async with asyncio.timeout(30):
        while await queen.count_open():
            await queen.reap(batch_size=100)
            await queen.sweep_due(batch_size=1000)
            bundles = await take(queen, limit=100, lease=MINUTE, size=50)
            await worker.accept([bundle.lease_id for bundle in bundles], lease=MINUTE)
            endings = [
                Ending(
                    task_id=leased.task.id,
                    lease_id=leased.task.lease_id,
                    move=Move.SUCCEED,
                    outcome=OutcomeName.SUCCEEDED,
                )
                for leased in await worker.read([bundle.lease_id for bundle in bundles])
            ]
            for row in await worker.finish(endings):
                if row.state is TaskState.SUCCEEDED:
                    stress.accepted.update(row.task_ids)


async def count_events(database: Connection, *types: str) -> Counter[TaskId]:
    rows = await database.fetch(
        "select told.task_id, count(*) from hive.event e"
        " cross join lateral unnest(coalesce(e.task_ids, array[e.task_id])) told (task_id)"
        " where type::text = any($1) group by 1",
        types,
    )
    return Counter({row["task_id"]: row["count"] for row in rows})


async def test_nothing_is_lost_doubled_or_leaked_when_all_move_at_once(
    open_line: Callable[[], Line],
    open_queen: Callable[[], QueenStore],
    database: Connection,
) -> None:
    tasks = TaskStore(open_line())
    ids = await tasks.submit([NewTask(kind="call", priority=i % 3) for i in range(TASKS)])
    stress = Stress(ids)
    names = [WorkerId(uuid4()) for _ in range(2)]
    workers = [WorkerStore(name, accepts=open_line(), finishes=open_line()) for name in names * 2]
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(stress.claim(open_queen()))
            group.create_task(stress.reap(open_queen()))
            group.create_task(stress.meddle(TaskStore(open_line())))
        for worker in workers:
            group.create_task(stress.work(worker))
        for name in names:
            group.create_task(stress.beat(HeartbeatStore(name, open_line())))
    await drain(open_queen(), workers[0], stress)
    assert min(stress.calls[name] for name in stress.calls) > 10, stress.calls
    assert len(stress.calls) == 9, stress.calls
    assert await tasks.count_orphans() == 0
    assert await database.fetchval("select count(*) from hive.lease") == 0
    assert +stress.accepted == await count_events(database, "succeeded")
    ends = await count_events(database, "succeeded", "failed", "cancelled")
    revivals = await count_events(database, "revived")
    assert ends == Counter(ids) + revivals
