"""Names for the identifiers that travel between processes."""

from typing import Final, NewType
from uuid import UUID

__all__ = ["LAST_TASK_ID", "LeaseId", "QueenId", "ScheduleId", "TaskId", "WorkerId"]

TaskId = NewType("TaskId", int)
"""Given by Postgres, rising; ids of tasks submitted one after another rise in that order."""

LAST_TASK_ID: Final = TaskId(2**63 - 1)
"""No task can have a larger one, and Postgres refuses to be asked for it."""

LeaseId = NewType("LeaseId", UUID)
"""Random and never reused: it is the fencing token. A sequence repeats itself after a failover."""

WorkerId = NewType("WorkerId", UUID)
"""Fresh at every start of a worker process, never a host name or a pid."""

QueenId = NewType("QueenId", UUID)
"""Fresh at every start of a queen."""

ScheduleId = NewType("ScheduleId", int)
"""Given by Postgres. A schedule that is removed and added again under its name has another one."""
