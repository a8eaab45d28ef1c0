"""The store's sides side by side: submit a task, lease it as a queen, accept it as a worker."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from hive_contracts.bundles import Bundle
from hive_contracts.ids import QueenId, TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_contracts.tasks import NewTask
from hive_store import HOT_SETTINGS, QueenStore, ScheduleStore, TaskStore, WorkerStore, open_line
from hive_store.claiming import Watermarks
from hive_store.worker_store import Ending, LeasedTask

__all__ = ["LEASE", "Ground", "open_ground"]

LEASE: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Ground:
    """Everybody who speaks to the store, with connections of their own."""

    tasks: TaskStore
    queen: QueenStore
    worker: WorkerStore
    schedules: ScheduleStore

    async def submit(self, count: int, *, kind: str = "trial", **options: Any) -> list[TaskId]:
        """Submit tasks that are alike."""
        return await self.tasks.submit([NewTask(kind=kind, **options)] * count)

    async def claim(self, count: int, *, queue: str = "default") -> Bundle:
        """Lease tasks that are queued, all in one bundle."""
        [part] = await self.queen.claim(
            queue,
            limit=count,
            lease=LEASE,
            bundle_size=count,
            worker_count=1,
            watermarks=Watermarks(),
        )
        return Bundle(lease_id=part.lease_id, queue=queue, size=part.size)

    async def bundle(self, count: int, **options: Any) -> Bundle:
        """Submit tasks and lease them in one bundle."""
        await self.submit(count, **options)
        return await self.claim(count)

    async def lease(self, count: int, **options: Any) -> list[LeasedTask]:
        """Submit tasks, lease them in one bundle, and accept it as the worker."""
        bundle = await self.bundle(count, **options)
        await self.worker.accept([bundle.lease_id], lease=LEASE)
        return await self.worker.read([bundle.lease_id])

    async def end_next(self, count: int = 1, *, result: str = '{"ok":true}') -> list[TaskId]:
        """Do as a worker does whose tasks succeed, but tell nobody; return which they were."""
        bundle = await self.claim(count)
        await self.worker.accept([bundle.lease_id], lease=LEASE)
        leased = await self.worker.read([bundle.lease_id])
        endings = [
            Ending(
                task_id=each.task.id,
                lease_id=bundle.lease_id,
                move=Move.SUCCEED,
                outcome=OutcomeName.SUCCEEDED,
                result=result,
            )
            for each in leased
        ]
        await self.worker.finish(endings)
        return [each.task.id for each in leased]


@asynccontextmanager
async def open_ground(database_url: str) -> AsyncGenerator[Ground]:
    """Give a ground, and close its connections afterwards."""
    async with AsyncExitStack() as stack:
        first, second, third = [
            await stack.enter_async_context(open_line(database_url, settings=settings))
            for settings in (None, HOT_SETTINGS, HOT_SETTINGS)
        ]
        yield Ground(
            TaskStore(first),
            QueenStore(QueenId(uuid4()), claims=second, upkeep=first),
            WorkerStore(WorkerId(uuid4()), accepts=second, finishes=third),
            ScheduleStore(first),
        )
