"""The demonstration's verse: sonnets that are heard while everything else runs, and the lag.

A model writes in a process of its own, which belongs to a worker. That the worker's loop goes on
meanwhile is measured in such a loop itself: an async function runs there.
"""

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hive.demonstration.ledger import Ledger
from hive.demonstration.progress import Progress
from hive.tasks.following import Follower
from hive.tasks.reaching import View
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, TaskRecord
from hive_verse.formatting import SonnetFormatter

__all__ = ["Recital", "Verse", "measure_of_lag", "sonnet"]

PROMPT: Final = "night and summer and a king"
TEMPERATURE: Final = 0.8
MEASURE_LAG: Final = "hive_calls.demonstration:measure_lag"
LAG_SECONDS: Final = 4.0

_Utf8: Final = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verse:
    """What came of it."""

    sonnets: int
    clean_sonnets: int
    """Those of 14 clean lines: all."""

    ended_meanwhile: int
    """Other tasks that ended between the first and the last word of a sonnet, of all sonnets."""

    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_most_ms: float | None
    """How late a worker's loop was to wake; None if it was not measured."""


def sonnet(number: int) -> NewTask:
    """Return the task that writes the sonnet of that number, each another one."""
    payload = {"prompt": PROMPT, "temperature": TEMPERATURE, "seed": number}
    return NewTask(kind="sonnet", payload=payload)


def measure_of_lag() -> NewTask:
    """Return the task that measures how late the loop is."""
    payload = {"function": MEASURE_LAG, "kwargs": {"seconds": LAG_SECONDS}}
    return NewTask(kind="call", payload=payload)


class Recital:
    """Listens to the sonnets while they are written, to one after another."""

    def __init__(
        self, view: View, sonnets: Sequence[TaskId], lag: TaskId, progress: Progress
    ) -> None:
        self._view = view
        self._sonnets = sonnets
        self._lag = lag
        self._progress = progress
        self._heard = 0
        self._readings = [_Reading(view, sonnets[0], progress, stays=True)]

    async def look(self, ledger: Ledger) -> None:
        """Recite what is new; the ledger tells what has ended until now."""
        if self._heard == len(self._sonnets):
            return
        is_torn = self._sonnets[self._heard] in ledger.recovered
        ours = sum(task in ledger.ends for task in (*self._sonnets, self._lag))
        if await self._readings[-1].look(is_torn=is_torn, done=ledger.done - ours):
            self._heard += 1
            if self._heard < len(self._sonnets):
                task = self._sonnets[self._heard]
                self._readings.append(_Reading(self._view, task, self._progress, stays=False))

    async def verse(self) -> Verse:
        """Return what came of it, once everything has ended."""
        sonnets = await self._view.tasks.read_many(self._sonnets)
        lag = await self._view.tasks.read(self._lag)
        late: Mapping[str, float] = lag.result if lag.state is TaskState.SUCCEEDED else {}
        return Verse(
            sonnets=len(sonnets),
            clean_sonnets=sum(map(_is_clean, sonnets)),
            ended_meanwhile=sum(reading.ended_meanwhile for reading in self._readings),
            lag_p50_ms=late.get("p50_ms"),
            lag_p99_ms=late.get("p99_ms"),
            lag_most_ms=late.get("most_ms"),
        )


class _Reading:
    """Listens to one sonnet, in all of its attempts: a torn one is recited from its beginning."""

    def __init__(self, view: View, task: TaskId, progress: Progress, *, stays: bool) -> None:
        self._follower = Follower(view, task, self, streams=(Stream.STDOUT,))
        self._progress = progress
        self._stays = stays
        self._decoder = _Utf8()
        self._has_news = self._was_torn = False
        self._done_before: int | None = None
        self.ended_meanwhile = 0
        """Other tasks that ended between its first word and the latest."""

        progress.begin_verse()

    async def look(self, *, is_torn: bool, done: int) -> bool:
        """Recite what is new; return whether that was the end.

        Args:
            is_torn: whether its worker was killed.
            done: how many other tasks have ended until now.
        """
        if is_torn and not self._was_torn:
            # What ends until it is begun again ends without verse.
            self._was_torn, self._done_before = True, None
            self._progress.begin_verse()
        self._has_news = False
        is_over = await self._follower.look()
        if self._has_news:
            if self._done_before is not None:
                self.ended_meanwhile += done - self._done_before
            self._done_before = done
        return is_over

    def write(self, stream: Stream, data: bytes) -> None:
        """Recite more."""
        del stream
        self._has_news = True
        self._progress.recite(self._decoder.decode(data), stays=self._stays)

    def skip(self, stream: Stream, size: int) -> None:
        """Let what was not kept be; nothing of a sonnet is so long."""


def _is_clean(task: TaskRecord) -> bool:
    if task.state is not TaskState.SUCCEEDED:
        return False
    text: str = task.result["text"]
    return SonnetFormatter().is_clean(text.split("\n"))
