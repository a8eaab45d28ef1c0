"""An attempt that only writes down what its executor does to it.

It stands where a worker would stand, so that an executor can be tested without one: it holds a
task, remembers that the start was announced, and keeps the output in the order in which it came. It
knows nothing of leases and stores; `lose_lease` plays a lease that is gone.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

from hive_contracts.errors import StaleLeaseError, UsageError
from hive_contracts.execution import Stream
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.leased import Task
from hive_contracts.spending import Spending
from hive_contracts.tasks import DEFAULT_QUEUE, NewTask, ParentResult, Question
from hive_contracts.wire import encode_json

__all__ = ["RecordingAttempt", "make_task"]


def make_task(
    kind: str,
    payload: object,
    *,
    task_id: int = 1,
    attempt: int = 1,
    failures: int = 0,
    given_back: int = 0,
    max_attempts: int = 1,
    timeout: timedelta | None = None,
) -> Task:
    """Return a task of `kind` as a worker would hold it; JSON can hold `payload`."""
    return Task(
        id=TaskId(task_id),
        lease_id=LeaseId(uuid4()),
        kind=kind,
        queue=DEFAULT_QUEUE,
        payload=encode_json(payload),
        attempt=attempt,
        failures=failures,
        given_back=given_back,
        max_attempts=max_attempts,
        timeout=timeout,
        writes_start=False,
        enqueued_seconds=0.0,
    )


class RecordingAttempt:
    """One attempt, as its executor sees it, whose every call can be looked at afterwards.

    Satisfies `hive_contracts.execution.Attempt`.
    """

    def __init__(self, task: Task, *, keep_bytes: int = 4 * 1024 * 1024) -> None:
        self.chunks: list[tuple[Stream, bytes]] = []
        """What was written, in order; nothing more once `keep_bytes` are held."""

        self.written_bytes: Counter[Stream] = Counter()
        """How much was written to each stream, kept or not."""

        self.largest_chunk_bytes = 0
        self.started = asyncio.Event()
        """Set once a start has been announced."""

        self.start_calls = 0
        self.output_before_start = False
        """Whether any output came before the start was announced: an executor must not."""

        self.output_cap_bytes: int | None = None
        """What it wants kept of its output, if it has said so."""

        self.may_be_abandoned = False
        self.signs_of_life = 0
        """How often it was shown, beside output."""

        self.usage: Mapping[str, object] | None = None
        """What it has used, if the executor has said so."""

        self.parent_results: list[ParentResult] = []
        """What became of the tasks that this one comes after."""

        self.questions: list[Question] = []
        """What earlier attempts asked and was answered."""

        self.spendings: list[Spending] = []
        """What it has said of its spending, each time in all."""

        self.used_up: str | None = None
        """Which budget it is told is used up, whenever it says what it has spent."""

        self.then: list[NewTask] = []
        """What is to be submitted if it succeeds."""

        self.is_given_back = False
        """Whether it is called off for another attempt to come."""

        self._task = task
        self._room_bytes = keep_bytes
        self._lease_is_lost = False
        self._waiting: list[asyncio.Event] = []

    @classmethod
    def of(cls, kind: str, payload: object) -> "RecordingAttempt":
        """Return the first attempt of a new task."""
        return cls(make_task(kind, payload))

    @property
    def task(self) -> Task:
        """What to do."""
        return self._task

    def lose_lease(self) -> None:
        """From now on, announcing the start is refused."""
        self._lease_is_lost = True

    async def announce_start(self) -> None:
        """Remember the start.

        Raises:
            StaleLeaseError: `lose_lease` was called.
        """
        self.start_calls += 1
        # A real start is a round trip: code that relies on it returning at once would be wrong.
        await asyncio.sleep(0)
        if self._lease_is_lost:
            raise StaleLeaseError(self._task.id, self._task.lease_id)
        self.started.set()

    async def parents(self) -> list[ParentResult]:
        """Return `parent_results`."""
        await asyncio.sleep(0)
        return self.parent_results

    async def answers(self) -> list[Question]:
        """Return `questions`."""
        await asyncio.sleep(0)
        return self.questions

    async def spend(self, spending: Spending) -> str | None:
        """Remember `spending`; return `used_up`."""
        await asyncio.sleep(0)
        self.spendings.append(spending)
        return self.used_up

    def submit_on_success(self, *tasks: NewTask) -> None:
        """Remember `tasks`."""
        self.then += tasks

    def write_output(self, stream: Stream, data: bytes) -> None:
        """Keep `data`, while there is room, and count it."""
        self.output_before_start |= not self.started.is_set()
        self.written_bytes[stream] += len(data)
        self.largest_chunk_bytes = max(self.largest_chunk_bytes, len(data))
        if kept := data[: self._room_bytes]:
            self._room_bytes -= len(kept)
            self.chunks.append((stream, kept))
        for event in self._waiting:
            event.set()

    def position(self, stream: Stream) -> int:
        """Return how many bytes were written to a stream, kept or not."""
        return self.written_bytes[stream]

    def cap_output(self, cap_bytes: int) -> None:
        """Remember the cap.

        Raises:
            UsageError: it has written something already.
        """
        if any(self.written_bytes.values()):
            raise UsageError(f"task {self._task.id} has written something already")
        self.output_cap_bytes = cap_bytes

    def let_be_abandoned(self) -> None:
        """Remember that it was said."""
        self.may_be_abandoned = True

    def show_life(self) -> None:
        """Count a sign of life."""
        self.signs_of_life += 1

    def keep_usage(self, usage: Mapping[str, object]) -> None:
        """Keep what the attempt has used."""
        self.usage = usage

    def output(self, stream: Stream = Stream.STDOUT) -> bytes:
        """Return what was kept of `stream`, in order."""
        return b"".join(data for kept_of, data in self.chunks if kept_of is stream)

    async def output_containing(
        self, part: bytes, *, stream: Stream = Stream.STDOUT, within_seconds: float = 10.0
    ) -> bytes:
        """Return the output of `stream` as soon as it contains `part`.

        Raises:
            TimeoutError: it did not in time.
        """
        changed = asyncio.Event()
        self._waiting.append(changed)
        try:
            async with asyncio.timeout(within_seconds):
                while part not in self.output(stream):
                    changed.clear()
                    await changed.wait()
        finally:
            self._waiting.remove(changed)
        return self.output(stream)
