"""What a task may use up before it is ended: failures, losses, and three lengths of time."""

from datetime import timedelta
from typing import Final

from hive.durations import show_seconds
from hive.moments import show_moment
from hive.tasks.exit_codes import SILENCE
from hive.words import counted
from hive_contracts.outcomes import OutcomeName
from hive_contracts.tasks import TaskRecord

__all__ = ["limit_that_struck", "limits_in_words"]

EXPIRED: Final = "it had expired"


def limits_in_words(record: TaskRecord) -> str:
    """Return every limit of a task, and how much of it is used up where that is counted."""
    failures = f"{record.failures} of {counted(record.max_attempts, 'failure')}"
    losses = f"{record.losses} of {counted(record.max_losses, 'loss', 'losses')}"
    if not record.max_losses:
        losses = "never run again once it has started"
    return ", ".join(
        part
        for part in (
            failures,
            losses,
            _limit("time-out", record.timeout) or "no time-out",
            _limit("silence", record.silence_timeout),
            record.retry and f"retries: {record.retry}",
            record.expires_at and f"waits until {show_moment(record.expires_at)} at most",
        )
        if part
    )


def limit_that_struck(outcome: OutcomeName | None, error: str | None) -> str | None:
    """Return in a word which limit of time or budget ended an attempt; None if none did."""
    said = error or ""
    if outcome is OutcomeName.TIMED_OUT:
        return "silent" if said.startswith(SILENCE) else "timed out"
    if outcome is OutcomeName.BUDGET:
        return "over budget"
    if outcome is OutcomeName.CANCELLED and said.startswith(EXPIRED):
        return "expired"
    return None


def _limit(what: str, length: timedelta | None) -> str:
    return f"{what} {show_seconds(length.total_seconds())}" if length else ""
