"""How long finished tasks are kept, as values.

Rules are tried in their order and the first that fits a task holds, so that a rule for one queue's
failed tasks can stand before the one for all failed ones.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hive_contracts.states import TaskState

__all__ = ["KEPT_BY_DEFAULT", "KeepRule", "Retention"]

KEPT_BY_DEFAULT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRule:
    """How long some finished tasks are kept; what is not given, any task fits."""

    keep: timedelta | None
    """From the end of the task; None for ever."""

    queue: str | None = None
    kind: str | None = None
    state: TaskState | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """Which finished tasks are kept for how long; a task that no rule fits is kept for ever."""

    rules: tuple[KeepRule, ...] = (KeepRule(keep=KEPT_BY_DEFAULT),)
