"""All lock in one order, leases by id and then their tasks, so that nobody waits in a ring."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

import asyncpg
import pytest

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move
from hive_contracts.tasks import NewTask
from hive_store import HeartbeatStore, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.worker_store import Ending

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Everybody who locks leases."""

    tasks: TaskStore
    queen: QueenStore
    worker: WorkerStore
    heartbeat: HeartbeatStore

    async def lease_two(self, *, is_accepted: bool) -> list[tuple[TaskId, LeaseId]]:
        """Two tasks and their leases, the greater lease first."""
        await self.tasks.submit([NewTask(kind="call"), NewTask(kind="call")])
        bundles = await self.queen.claim(
            "default", limit=2, lease=MINUTE, bundle_size=1, worker_count=2, watermarks=Watermarks()
        )
        if is_accepted:
            await self.worker.accept([b.lease_id for b in bundles], lease=MINUTE)
        held = [(TaskId(b.last_id), b.lease_id) for b in bundles if b.last_id]
        return sorted(held, key=lambda pair: pair[1], reverse=True)

    async def write(self, verb: str, held: Sequence[tuple[TaskId, LeaseId]]) -> None:
        leases = [lease_id for _, lease_id in held]
        match verb:
            case "accept":
                await self.worker.accept(leases, lease=MINUTE)
            case "renew":
                await self.heartbeat.renew(leases, lease=MINUTE)
            case "start":
                await self.worker.start(held)
            case "release":
                await self.queen.release(leases, reason="not sent")
            case "ask":
                await self.worker.finish([asking(*pair) for pair in held])
            case "park":
                await self.worker.finish([parking(*pair) for pair in held])
            case _:
                await self.worker.finish([ending(*pair) for pair in held])


def ending(task_id: TaskId, lease_id: LeaseId) -> Ending:
    return Ending(
        task_id=task_id, lease_id=lease_id, move=Move.SUCCEED, outcome=OutcomeName.SUCCEEDED
    )


def asking(task_id: TaskId, lease_id: LeaseId) -> Ending:
    return parking(task_id, lease_id).replaced(move=Move.ASK, error="?")


def parking(task_id: TaskId, lease_id: LeaseId) -> Ending:
    return Ending(task_id=task_id, lease_id=lease_id, move=Move.PARK, outcome=OutcomeName.RELEASED)


@pytest.fixture
def party(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, heartbeat: HeartbeatStore
) -> Party:
    return Party(tasks=tasks, queen=queen, worker=worker, heartbeat=heartbeat)


@pytest.mark.parametrize("verb", ["accept", "renew", "start", "finish", "park", "ask", "release"])
async def test_leases_are_locked_by_id_and_before_their_tasks(
    verb: str,
    party: Party,
    database: Connection,
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    held = await party.lease_two(is_accepted=verb != "release")
    (_, greater), (_, lesser) = held
    async with asyncio.TaskGroup() as group, database.transaction():
        await database.execute("select from hive.lease where id = $1 for update", lesser)
        group.create_task(party.write(verb, held))
        await somebody_waits()
        await database.execute("select from hive.lease where id = $1 for update nowait", greater)
        await database.execute("select from hive.task for update nowait")
