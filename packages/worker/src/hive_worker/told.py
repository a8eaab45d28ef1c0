"""What is written of an outcome: its result, and what it has to say."""

from dataclasses import replace
from typing import assert_never

from hive_contracts.errors import UnstorableValueError
from hive_contracts.outcomes import (
    LONGEST_OPTION,
    LONGEST_QUESTION,
    MOST_OPTIONS,
    Asked,
    Cancelled,
    Failed,
    Outcome,
    OverBudget,
    Parked,
    Released,
    Silent,
    Succeeded,
    TimedOut,
    is_option,
)
from hive_contracts.sizes import oversize
from hive_contracts.wire import encode_json

__all__ = ["error_of", "options_of", "refuse_oversize", "refused", "result_of"]


def refused(
    outcome: Outcome, error: UnstorableValueError
) -> Failed | TimedOut | Silent | OverBudget:
    """Return what an outcome becomes whose result cannot be stored."""
    refusal = f"its result was refused: {error}"
    if isinstance(outcome, Failed):
        return replace(outcome, error=f"{outcome.error} ({refusal})", result=None)
    if isinstance(outcome, OverBudget):
        return replace(outcome, reason=f"{outcome.reason} ({refusal})", result=None)
    if isinstance(outcome, TimedOut):
        return replace(outcome, reason=f"{error_of(outcome)} ({refusal})", result=None)
    if isinstance(outcome, Silent):
        return replace(outcome, result=None)
    return Failed(refusal, is_retryable=False)


def result_of(outcome: Outcome) -> str | None:
    """Return what is to be kept of an attempt as JSON; None if nothing is.

    Raises:
        UnstorableValueError: JSON or Postgres cannot hold it.
    """
    match outcome:
        case Succeeded():
            return encode_json(outcome.result)
        case Failed() | TimedOut() | Silent() | OverBudget() if outcome.result is not None:
            return encode_json(outcome.result)
        case _:
            return None


def refuse_oversize(result: str | None) -> None:
    """See that a result is not too large.

    Raises:
        UnstorableValueError: it is.
    """
    if result is not None and (excess := oversize(result)):
        raise UnstorableValueError(f"it {excess}. Write it to a file, and return the file's path")


def options_of(asked: Asked) -> tuple[str, ...]:
    """Return what may be answered, as much of it as is kept, each once."""
    options = dict.fromkeys(o[:LONGEST_OPTION] for o in asked.options if is_option(o))
    return tuple(options)[:MOST_OPTIONS]


def error_of(outcome: Outcome) -> str | None:
    """Return what went wrong, or why it waits; None if there is nothing to say."""
    match outcome:
        case Succeeded() | Cancelled():
            return None
        case (
            Failed(error=said)
            | TimedOut(reason=str(said))
            | Released(reason=said)
            | Parked(reason=said)
            | OverBudget(reason=said)
        ):
            return said
        case TimedOut():
            return f"it ran longer than its time-out of {outcome.limit.total_seconds():g} s"
        case Silent():
            return f"it was silent for longer than its limit of {outcome.limit.total_seconds():g} s"
        case Asked():
            return outcome.question[:LONGEST_QUESTION]
        case _:
            assert_never(outcome)
