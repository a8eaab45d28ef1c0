"""One attempt while it runs: what its executor sees of it, and how it is called off."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from hive_contracts.errors import UsageError
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import Outcome, Released
from hive_contracts.spending import Spending
from hive_contracts.tasks import NewTask, ParentResult, Question
from hive_worker.output import Output

__all__ = ["Desk", "RunningAttempt"]

SPENDING_SECONDS: Final = 2.0
"""Between two writes of what an attempt has spent, and how long one is waited for."""


class Desk(Protocol):
    """What an attempt asks of its worker."""

    def write_start(self, attempt: "RunningAttempt") -> Awaitable[None]:
        """Write a start; return once it is durable."""
        ...

    def read_parents(self, task_id: TaskId) -> Awaitable[Sequence[ParentResult]]:
        """Return what became of the tasks that a task comes after."""
        ...

    def spend(self, attempt: "RunningAttempt") -> Awaitable[str | None]:
        """Write what an attempt has spent; return which budget is used up, if one is."""
        ...

    def read_answers(self, task_id: TaskId) -> Awaitable[Sequence[Question]]:
        """Return what a task asked and was answered, in order."""
        ...


class RunningAttempt:
    """An attempt in a slot. Implements `hive_contracts.execution.Attempt`."""

    # What few attempts come to need stands here, and costs the others nothing: seven values a task.

    output: Output | None = None
    """What it has written so far; None until it writes."""

    output_written_at: float | None = None
    """When some of it was last handed to the store, by the worker's clock."""

    verdict: Outcome | None = None
    """How it ends because it was called off; None while nobody has."""

    heard_at: float | None = None
    """When it was last seen alive, by the worker's clock; None while nobody listens."""

    has_shown_life: bool = False
    """Whether it has shown one since somebody looked."""

    stopping_since: float | None = None
    """When somebody first saw that it was called off, by the worker's clock."""

    is_stuck: bool = False
    """Whether it has ignored for too long that it was called off."""

    may_be_abandoned: bool = False
    """Whether it is a coroutine alone, which its slot need not wait for."""

    usage: Mapping[str, object] | None = None
    """What it has used, if its executor has said so."""

    spending: Spending | None = None
    """What it has spent, if its executor has said so and it is not written."""

    written_spending: Spending | None = None
    """What of that is written."""

    _spent_at: float | None = None
    _used_up: str | None = None

    then: tuple[NewTask, ...] = ()
    """What is to be submitted if it succeeds."""

    is_start_on_its_way: bool = False
    """Whether a late start waits to be written; announcing the start still waits for it."""

    is_start_written: bool = False

    def __init__(
        self,
        task: Task,
        *,
        began_at: float,
        output_cap_bytes: int,
        desk: Desk,
        slot: asyncio.Task[Any] | None,
    ) -> None:
        self.task = task
        self.began_at = began_at
        """When it got its slot, by the worker's clock."""

        self._output_cap_bytes = output_cap_bytes
        self._desk = desk
        self.slot = slot
        """The slot that it runs in; None once it has ended."""

    @property
    def is_given_back(self) -> bool:
        """Whether it was called off for another attempt of its task to come, or to be there."""
        return isinstance(self.verdict, Released)

    async def announce_start(self) -> None:
        """Write, under the lease, that the attempt has started; return once it is durable."""
        if not self.is_start_written:
            await self._desk.write_start(self)
            self.is_start_written = True

    async def parents(self) -> Sequence[ParentResult]:
        """Return what became of the tasks that this one comes after."""
        return await self._desk.read_parents(self.task.id)

    async def answers(self) -> Sequence[Question]:
        """Return what earlier attempts of the task asked and was answered, in order."""
        # Who has asked was given back.
        return await self._desk.read_answers(self.task.id) if self.task.given_back else ()

    async def spend(self, spending: Spending) -> str | None:
        """Have written what it has spent so far; return which budget is used up, if one is."""
        self.spending = spending
        now = asyncio.get_running_loop().time()
        if self._spent_at is None or now - self._spent_at >= SPENDING_SECONDS:
            self._spent_at = now
            with suppress(TimeoutError):
                async with asyncio.timeout(SPENDING_SECONDS):
                    self._used_up = await self._desk.spend(self)
        return self._used_up

    def submit_on_success(self, *tasks: NewTask) -> None:
        """Have tasks submitted in the transaction that stores the success of this attempt.

        Raises:
            UsageError: the attempt is over.
        """
        if self.is_over:
            raise UsageError(f"task {self.task.id} is over; nothing can follow it any more")
        self.then = (*self.then, *tasks)

    def write_output(self, stream: Stream, data: bytes) -> None:
        """Keep `data` as output: the head and the tail, up to the cap."""
        self.has_shown_life = True
        if self.output is None:
            self.output = Output(self.task, cap_bytes=self._output_cap_bytes)
        self.output.write(stream, data)

    def position(self, stream: Stream) -> int:
        """Return how many bytes it has written to a stream so far, kept or not."""
        return 0 if self.output is None else self.output.position(stream)

    def cap_output(self, cap_bytes: int) -> None:
        """Keep no more than this of what it is about to write; more than the worker keeps, never.

        Raises:
            UsageError: it has written something already.
        """
        if self.output is not None:
            raise UsageError(f"task {self.task.id} has written something already")
        self._output_cap_bytes = min(self._output_cap_bytes, cap_bytes)

    def let_be_abandoned(self) -> None:
        """Say that it is a coroutine alone from now on, with nothing beside it to be ended."""
        self.may_be_abandoned = True

    def show_life(self) -> None:
        """Say that it has not come to a standstill. Any thread may say so."""
        self.has_shown_life = True

    def keep_usage(self, usage: Mapping[str, object]) -> None:
        """Keep what it has used: the result of an attempt that is called off and times out."""
        self.usage = usage

    def call_off(self, verdict: Outcome) -> None:
        """Stop the attempt; it ends with `verdict`. The first to call it off decides."""
        if self.verdict is None and self.slot is not None:
            self.verdict = verdict
            self.slot.cancel()

    @property
    def is_over(self) -> bool:
        """Whether it has ended; what it still has to say is in its ending."""
        return self.slot is None

    def end(self) -> None:
        """Hear that it is over: its slot runs another now, which nobody means to call off."""
        self.slot = None
