"""Names for the identifiers that travel between processes."""

from typing import NewType
from uuid import UUID

__all__ = ["LeaseId", "QueenId", "TaskId", "WorkerId"]

TaskId = NewType("TaskId", int)
"""Given by Postgres, rising; ids of tasks submitted one after another rise in that order."""

LeaseId = NewType("LeaseId", UUID)
"""Random and never reused: it is the fencing token. A sequence repeats itself after a failover."""

WorkerId = NewType("WorkerId", UUID)
"""Fresh at every start of a worker process, never a host name or a pid."""

QueenId = NewType("QueenId", UUID)
"""Fresh at every start of a queen."""
