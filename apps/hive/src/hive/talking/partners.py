"""Tasks that can be spoken with, and why others cannot."""

from hive.tasks.reaching import Reach
from hive_bus.bus import Bus
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES
from hive_contracts.tasks import TaskRecord

__all__ = ["bus_of", "check_that_it_has_not_ended", "why_silent"]


def bus_of(reach: Reach) -> Bus:
    """Return what carries the words.

    Raises:
        UsageError: no Redis is named.
    """
    if reach.bus is None:
        raise UsageError("what is typed goes over Redis, and none is named: give --redis-url")
    return reach.bus


def check_that_it_has_not_ended(record: TaskRecord) -> None:
    """Refuse a task that nobody can speak with any more.

    Raises:
        UsageError: it has ended.
    """
    if record.state in TERMINAL_STATES:
        raise UsageError(
            f"task {record.id} has ended: {record.state}; `hive logs {record.id}` has its output"
        )


async def why_silent(reach: Reach, task_id: TaskId) -> str:
    """Return why nothing has answered for a task."""
    record = await reach.view.tasks.read(task_id)
    check_that_it_has_not_ended(record)
    if record.worker_id is None:
        return f"task {task_id} is {record.state}: nothing of it runs that could read"
    place = f"worker {record.worker_pid or 'unknown'} on {record.worker_host or 'unknown'}"
    return f"task {task_id} is {record.state}, and {place} does not answer; is its Redis this one?"
