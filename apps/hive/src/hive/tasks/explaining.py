"""Tell a person what tasks wait for, while somebody watches them: each reason once."""

import re
from collections.abc import Callable
from datetime import timedelta

from hive.tasks.reaching import View
from hive.tasks.waiting import PATIENCE_SECONDS, why_it_waits
from hive_contracts.clocks import BootClock
from hive_contracts.ids import TaskId

__all__ = ["Explainer"]


class Explainer:
    """Says why tasks wait.

    What differs in its numbers alone, as of another task or a later moment, is told already: where
    a quota is used up, one task after the other tries it and is set aside again.
    """

    def __init__(self, view: View, *, silence: timedelta, tell: Callable[[str], None]) -> None:
        """Make one.

        Args:
            view: of the tasks' Hive.
            silence: workers that were not heard of for so long do not count.
            tell: prints a line.
        """
        self._view = view
        self._silence = silence
        self._tell = tell
        self._told: set[str] = set()
        self._clock = BootClock()
        self._due_at = self._clock.seconds() + PATIENCE_SECONDS

    async def look_at(self, task_id: TaskId) -> None:
        """Say what the task waits for, if it does, that was not told yet, and it is time to look.

        That is `PATIENCE_SECONDS` after the explainer was made, and after each look.
        """
        if self._clock.seconds() < self._due_at:
            return
        self._due_at = self._clock.seconds() + PATIENCE_SECONDS
        reason = await why_it_waits(self._view, task_id, silence=self._silence)
        if reason is None or (gist := re.sub(r"(?<![\w-])\d[\d.,:]*", "", reason)) in self._told:
            return
        self._told.add(gist)
        self._tell(f"hive: {reason}")
