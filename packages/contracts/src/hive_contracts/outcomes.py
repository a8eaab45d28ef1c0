"""How an attempt can end, and what each ending does to its task."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Final, TypeAlias, assert_never

from hive_contracts.states import Move

__all__ = [
    "LONGEST_OPTION",
    "LONGEST_QUESTION",
    "MOST_OPTIONS",
    "Asked",
    "Cancelled",
    "Failed",
    "Outcome",
    "OutcomeName",
    "OverBudget",
    "Parked",
    "Released",
    "Silent",
    "Succeeded",
    "TimedOut",
    "backoff",
    "is_option",
    "move_for",
    "name_of",
]

LONGEST_QUESTION: Final = 10_000
MOST_OPTIONS: Final = 20
LONGEST_OPTION: Final = 200
"""Characters, but for the number of options."""


@unique
class OutcomeName(StrEnum):
    """The word for each ending, in SQL, metrics and on the screen."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RELEASED = "released"
    """Given back before its end, or never begun; does not count."""

    LOST = "lost"
    """Its worker was gone when its lease ran out. Written by the reaper, never by a worker."""

    BUDGET = "budget"
    """Stopped because a budget is used up; never tried again by itself."""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The executor finished. `result` is anything that JSON can hold."""

    result: object


@dataclass(frozen=True, slots=True)
class Failed:
    """The executor finished with an error of the task's own making."""

    error: str
    """What went wrong, in words a stranger can use."""

    is_retryable: bool = True
    result: object = None
    """What there is to keep of a failure (a command's exit code); stored beside the error."""

    names: tuple[str, ...] = ()
    """What the failure is called in a retry policy; see `hive_contracts.retrying`."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt ran longer than it may; nothing of it runs any more."""

    limit: timedelta
    reason: str | None = None
    """Which limit it was, in words a stranger can use; None for the task's own time-out."""

    result: object = None
    """What there is to keep of it (a command's usage); stored beside the error."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The attempt showed no sign of life for longer than it may; nothing of it runs any more."""

    limit: timedelta
    result: object = None
    """What there is to keep of it, as of one that timed out."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The task was called off; nothing of it runs any more."""


@dataclass(frozen=True, slots=True)
class Released:
    """The worker gave it back (it drains, or could not prove its lease); it does not count."""

    reason: str
    again_after: timedelta | None = None
    """How long nobody should try it; None if anybody may at once."""


@dataclass(frozen=True, slots=True)
class Parked:
    """The task asks to be set aside; it does not count. Without an end, until it is let go on.

    One that opens its breaker waits until that is closed again, and one without a breaker for
    `again_after`, or a while.
    """

    reason: str
    again_after: timedelta | None = None
    """For how long; None if a moment is said, or no end, or if nobody knows when there is quota."""

    until: datetime | None = None
    """Until which moment (aware)."""

    opens_breaker: bool = False
    """Whether it met a quota: nothing that names the same breaker shall begin for `again_after`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A person has to answer something first. It does not count, and nothing of it runs meanwhile.

    The next attempt begins once there is an answer, and finds it in `Attempt.answers`.
    """

    question: str
    """What to answer, in words that make sense to who has not watched; kept up to 10,000
    characters."""

    options: tuple[str, ...] = ()
    """What may be answered, 20 at most of 200 characters; none if any text may.

    One that nobody could type is left out: it is empty, a lone dash or no text that is printed.
    """


def is_option(text: str) -> bool:
    """Return whether somebody could type `text` as an answer: a lone dash means standard input."""
    return text not in {"", "-"} and text.isprintable()


@dataclass(frozen=True, slots=True)
class OverBudget:
    """The attempt was stopped because a budget is used up; no retry would mend that."""

    reason: str
    """Which one, as `Attempt.spend` says it, or in words of the executor for one of its own."""

    result: object = None
    """What there is to keep of it, as of one that failed."""


Outcome: TypeAlias = (
    Succeeded | Failed | TimedOut | Silent | Cancelled | Released | Parked | Asked | OverBudget
)


def name_of(outcome: Outcome) -> OutcomeName:
    """Return the word for `outcome`."""
    match outcome:
        case Succeeded():
            return OutcomeName.SUCCEEDED
        case Failed():
            return OutcomeName.FAILED
        case TimedOut() | Silent():
            return OutcomeName.TIMED_OUT
        case Cancelled():
            return OutcomeName.CANCELLED
        case Released() | Parked() | Asked():
            return OutcomeName.RELEASED
        case OverBudget():
            return OutcomeName.BUDGET
        case _:
            assert_never(outcome)


def move_for(outcome: Outcome, *, failures: int, max_attempts: int) -> Move:
    """Return what `outcome` means for the task.

    Args:
        outcome: how the attempt ended.
        failures: how many attempts of the task ended in failure before this one.
        max_attempts: most attempts that may end in failure.
    """
    match outcome:
        case Succeeded():
            return Move.SUCCEED
        case Failed(is_retryable=False) | OverBudget():
            return Move.FAIL
        case Failed() | TimedOut() | Silent():
            return Move.RETRY if failures + 1 < max_attempts else Move.FAIL
        case Cancelled():
            return Move.CANCEL
        case Released():
            return Move.RELEASE if outcome.again_after is None else Move.POSTPONE
        case Parked() | Asked():
            return Move.PARK if isinstance(outcome, Parked) else Move.ASK
        case _:
            assert_never(outcome)


def backoff(failures: int, *, base: timedelta, cap: timedelta, jitter: float) -> timedelta:
    """Return how long to wait before the next attempt: exponential, with full spread above half.

    Args:
        failures: how many attempts have ended in failure, this one included; at least 1.
        base: the wait after the first failure, before jitter.
        cap: the longest wait.
        jitter: a number in [0, 1]; the wait is between half of the exponential value and all
            of it, so that tasks that failed together do not return together.
    """
    factor = 2 ** min(failures - 1, 30)
    # Compared before it is multiplied: a timedelta overflows.
    doubled = cap if base > cap / factor else min(base * factor, cap)
    return doubled * (0.5 + jitter / 2)
