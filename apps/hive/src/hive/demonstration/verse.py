"""The demonstration's verse: a sonnet that is heard while everything else runs, and the lag.

A model writes in a process of its own, which belongs to a worker. That the worker's loop goes on
meanwhile is measured in such a loop itself: an async function runs there.
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hive.demonstration.progress import Progress
from hive.tasks.following import Follower
from hive.tasks.reaching import View
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_verse.formatting import SonnetFormatter

__all__ = ["Recital", "Verse", "verse_tasks"]

SONNET: Final = {"prompt": "night and summer and a king", "temperature": 0.8, "seed": 1}
MEASURE_LAG: Final = "hive_calls.demonstration:measure_lag"
LAG_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verse:
    """What came of it."""

    clean_lines: int
    """Of the sonnet, if it is one: 14."""

    ended_meanwhile: int
    """Tasks that ended from its first word to its last."""

    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_most_ms: float | None
    """How late a worker's loop was to wake; None if it was not measured."""


def verse_tasks() -> list[NewTask]:
    """Return the sonnet, and the measuring of the lag."""
    lag = {"function": MEASURE_LAG, "kwargs": {"seconds": LAG_SECONDS}}
    return [NewTask(kind="sonnet", payload=SONNET), NewTask(kind="call", payload=lag)]


class Recital:
    """Listens to the sonnet while it is written."""

    def __init__(self, view: View, sonnet: TaskId, lag: TaskId, progress: Progress) -> None:
        self._view = view
        self._sonnet = sonnet
        self._lag = lag
        self._progress = progress
        self._follower = Follower(view, sonnet, self, streams=(Stream.STDOUT,))
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_over = False
        self._heard_now = False
        self._done_at_first: int | None = None
        self._done_at_last = 0

    async def look(self, done: int) -> None:
        """Recite what is new; `done` tasks have ended until now."""
        if self._is_over:
            return
        self._heard_now = False
        self._is_over = await self._follower.look()
        if self._heard_now:
            self._done_at_first = done if self._done_at_first is None else self._done_at_first
            self._done_at_last = done

    def write(self, stream: Stream, data: bytes) -> None:
        """Recite more."""
        del stream
        self._heard_now = True
        self._progress.recite(self._decoder.decode(data))

    def skip(self, stream: Stream, size: int) -> None:
        """Let what was not kept be; nothing of a sonnet is so long."""

    async def verse(self) -> Verse:
        """Return what came of it, once everything has ended."""
        sonnet, lag = await self._view.tasks.read_many([self._sonnet, self._lag])
        text: str = sonnet.result["text"] if sonnet.state is TaskState.SUCCEEDED else ""
        late: Mapping[str, float] = lag.result if lag.state is TaskState.SUCCEEDED else {}
        lines = text.split("\n")
        return Verse(
            clean_lines=len(lines) if SonnetFormatter().is_clean(lines) else 0,
            ended_meanwhile=self._done_at_last - (self._done_at_first or 0),
            lag_p50_ms=late.get("p50_ms"),
            lag_p99_ms=late.get("p99_ms"),
            lag_most_ms=late.get("most_ms"),
        )
