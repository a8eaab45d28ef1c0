"""A task as the worker that leased it holds it, and as its executor sees it.

It stands apart from `tasks`, which is there for the command line as well: that loads no msgspec.
"""

from datetime import timedelta

from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.wire import Struct

__all__ = ["Task"]


class Task(Struct, frozen=True):
    """A task as the worker that leased it holds it: what is needed to run one attempt.

    It is made from each row that is read, and looked into all along its way: with tuples for this
    and for endings a worker spends 2 µs more on a task.
    """

    id: TaskId
    lease_id: LeaseId
    kind: str
    queue: str
    payload: str
    """The executor's input, as JSON."""

    attempt: int
    """Number of this attempt, from 1; attempts that were given back are not counted."""

    failures: int
    """How many earlier attempts ended in failure."""

    given_back: int
    """How often it was leased and given back; no attempt is counted for that."""

    max_attempts: int
    timeout: timedelta | None
    writes_start: bool
    """Whether its start must be stored before the work begins (after a lapse, for one)."""

    enqueued_seconds: float
    """How long the task was due before it was leased, by the database's clock."""

    retry: str | None = None
    """Its retry policy, as text; None for what the worker's settings say."""

    silence_timeout: timedelta | None = None
    """How long it may show no sign of life."""
