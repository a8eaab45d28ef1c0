"""Which tasks are meant: what people list, cancel and retry by."""

from dataclasses import dataclass
from datetime import datetime

from hive_contracts.states import TaskState

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The tasks that fit everything that is given; what is not given, any task fits."""

    states: frozenset[TaskState] = frozenset()
    """In one of these; empty for any state."""

    queue: str | None = None
    kind: str | None = None
    group: str | None = None

    created_from: datetime | None = None
    """Submitted at this moment (aware) or later."""

    created_before: datetime | None = None
    """Submitted before this moment (aware)."""
