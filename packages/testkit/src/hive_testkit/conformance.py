"""The behaviour that every executor must show, whatever it runs.

An executor's own tests hand in an opened executor and payloads of its kind, and try each check:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_it_behaves_as_an_executor(check: Check, executor: Executor):
        await check(executor, SAMPLES)

What is checked here is what a worker relies on. What a kind promises beyond it (exit codes, time
to start, what it returns) belongs into that kind's own tests.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hive_contracts.execution import Executor, Stream
from hive_contracts.outcomes import Failed, Outcome, Succeeded
from hive_testkit.attempts import RecordingAttempt
from hive_testkit.processes import is_alive

__all__ = ["CHECKS", "COUNT", "FLOOD_BYTES", "Check", "Samples"]

COUNT: Final = 5_000
FLOOD_BYTES: Final = 32 * 1024 * 1024
_MOST_PER_WRITE_BYTES: Final = 1024 * 1024
_PATIENCE_SECONDS: Final = 30.0
_TICK_SECONDS: Final = 0.01
_LEAST_TICKS: Final = 0.1
"""Part of the loop's turns that a flood must leave to others; little, because machines are busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Payloads by which the executor of one kind is tried."""

    kind: str
    failing: object
    """Ends with an error of the task's own making."""

    unacceptable: object
    """Does not fit the kind's payload type."""

    endless: object
    """Prints `ready` and the pids of all its processes on one line, and goes on until stopped."""

    counting: object
    """Prints the numbers from 0 up to `COUNT`, one on each line, and succeeds."""

    flooding: object
    """Prints `FLOOD_BYTES` bytes as fast as it can, and succeeds."""


Check: TypeAlias = Callable[[Executor, Samples], Awaitable[None]]


async def a_failure_is_returned_and_not_raised(executor: Executor, samples: Samples) -> None:
    """A task that fails is an outcome with a reason in it."""
    outcome = await _run(executor, RecordingAttempt.of(samples.kind, samples.failing))
    _require(isinstance(outcome, Failed) and bool(outcome.error), f"not a failure: {outcome}")


async def a_payload_that_does_not_fit_fails_for_good(executor: Executor, samples: Samples) -> None:
    """Trying again cannot help a payload that the kind does not understand."""
    outcome = await _run(executor, RecordingAttempt.of(samples.kind, samples.unacceptable))
    is_final = isinstance(outcome, Failed) and not outcome.is_retryable
    _require(is_final, f"not a failure for good: {outcome}")


async def cancelling_leaves_no_process(executor: Executor, samples: Samples) -> None:
    """When a cancelled run has returned, nothing of it runs any more: at once, not soon."""
    attempt = RecordingAttempt.of(samples.kind, samples.endless)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(executor.run(attempt))
        output = await attempt.output_containing(b"\n", within_seconds=_PATIENCE_SECONDS)
        running.cancel()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.wait([running])
        _require(running.cancelled(), "the cancellation was swallowed")
    word, *numbers = output.partition(b"\n")[0].split()
    pids = [int(number) for number in numbers]
    _require(word == b"ready" and bool(pids), f"not `ready` and pids: {output!r}")
    alive = [pid for pid in pids if pid != os.getpid() and is_alive(pid)]
    _require(not alive, f"still running after the attempt: {alive}")


async def output_of_a_stream_keeps_its_order(executor: Executor, samples: Samples) -> None:
    """What a task prints arrives whole and in the order in which it was printed."""
    attempt = RecordingAttempt.of(samples.kind, samples.counting)
    outcome = await _run(executor, attempt)
    _require(isinstance(outcome, Succeeded), f"not a success: {outcome}")
    expected = b"".join(b"%d\n" % number for number in range(COUNT))
    _require(attempt.output() == expected, "lines are missing, torn or out of order")


async def a_flood_of_output_holds_nobody_up(executor: Executor, samples: Samples) -> None:
    """Output comes in bounded pieces, all of it is told of, and the event loop goes on turning."""
    attempt = RecordingAttempt.of(samples.kind, samples.flooding)
    ticks = 0
    async with asyncio.TaskGroup() as group:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        running = group.create_task(_run(executor, attempt))
        while not running.done():
            await asyncio.sleep(_TICK_SECONDS)
            ticks += 1
        due = (loop.time() - begun) / _TICK_SECONDS
    _require(isinstance(running.result(), Succeeded), f"not a success: {running.result()}")
    written = attempt.written_bytes[Stream.STDOUT]
    _require(written >= FLOOD_BYTES, f"only {written} of {FLOOD_BYTES} bytes were told of")
    largest = attempt.largest_chunk_bytes
    _require(largest <= _MOST_PER_WRITE_BYTES, f"a single piece of {largest} bytes")
    _require(ticks >= due * _LEAST_TICKS - 1, f"the loop turned {ticks} times, not {due:.0f}")


CHECKS: Final[tuple[Check, ...]] = (
    a_failure_is_returned_and_not_raised,
    a_payload_that_does_not_fit_fails_for_good,
    cancelling_leaves_no_process,
    output_of_a_stream_keeps_its_order,
    a_flood_of_output_holds_nobody_up,
)
"""Every check; each leaves the executor ready for the next."""


async def _run(executor: Executor, attempt: RecordingAttempt) -> Outcome:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        return await executor.run(attempt)


def _require(is_true: bool, otherwise: str) -> None:
    if not is_true:
        raise AssertionError(otherwise)
