"""Which tasks are meant: what people list, cancel and retry by."""

from dataclasses import dataclass, fields, replace
from datetime import datetime

from hive_contracts.states import TERMINAL_STATES, TaskState

__all__ = ["Selection"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The tasks that fit everything that is given; what is not given, any task fits."""

    states: frozenset[TaskState] = frozenset()
    """In one of these; empty for any state."""

    queue: str | None = None
    kind: str | None = None
    group: str | None = None
    key: str | None = None

    created_from: datetime | None = None
    """Submitted at this moment (aware) or later."""

    created_before: datetime | None = None
    """Submitted before this moment (aware)."""

    def unfinished(self) -> "Selection":
        """Return the same without tasks that have ended."""
        chosen = self.states or frozenset(TaskState)
        return replace(self, states=chosen - TERMINAL_STATES)

    def __str__(self) -> str:
        """Return it in words, as `state=queued queue=images`."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["states"] = ",".join(sorted(self.states))
        return " ".join(f"{name}={value}" for name, value in given.items() if value) or "all"
