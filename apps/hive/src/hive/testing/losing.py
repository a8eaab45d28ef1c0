"""Lose a worker: the lease of its task runs out, and is reaped as any queen would."""

from typing import Final
from uuid import uuid4

from hive.testing.inline_worker import LEASE
from hive_contracts.errors import UsageError
from hive_contracts.ids import LeaseId, QueenId, TaskId, WorkerId
from hive_contracts.labels import joined, line_of
from hive_contracts.states import TaskState
from hive_contracts.tasks import TaskRecord
from hive_store import QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.rehearsal_store import RehearsalStore

__all__ = ["lose_worker"]

LEASES_AT_ONCE: Final = 1000


async def lose_worker(tasks: TaskStore, task_id: TaskId) -> TaskRecord:
    """Have the worker of a task be gone; return the task as it is then.

    Raises:
        UnknownTaskError: there is no such task.
        UsageError: it has ended, or is not due.
    """
    queen = QueenStore(QueenId(uuid4()), claims=tasks.line, upkeep=tasks.line)
    record = await tasks.read(task_id)
    if record.state is TaskState.QUEUED:
        await _begin(queen, tasks, record)
    elif record.state not in (TaskState.DISPATCHED, TaskState.RUNNING):
        raise UsageError(f"task {task_id} is {record.state}, and no worker has it to lose")
    held = (await tasks.read(task_id)).lease_id
    while True:
        await RehearsalStore(tasks.line).lapse(task_id)
        await queen.reap(batch_size=LEASES_AT_ONCE)
        lost = await tasks.read(task_id)
        # A worker that is alive may have renewed the lease between its lapse and its end.
        if lost.lease_id is None or lost.lease_id != held:
            return lost


async def _begin(queen: QueenStore, tasks: TaskStore, record: TaskRecord) -> None:
    """Begin the task as a worker that will not be heard of again; what is ahead of it goes back."""
    worker = WorkerStore(WorkerId(uuid4()), accepts=tasks.line, finishes=tasks.line)
    watermarks = Watermarks()
    ahead: list[LeaseId] = []
    line = line_of(record.queue, joined(record.needs, record.slots))
    while bundle := await queen.claim_one(line, lease=LEASE, watermarks=watermarks):
        if bundle.last_id == record.id:
            await worker.accept([bundle.lease_id], lease=LEASE)
            await worker.start([(record.id, bundle.lease_id)])
            break
        ahead.append(bundle.lease_id)
    if ahead:
        await queen.release(ahead, reason="a test has another task lose its worker")
