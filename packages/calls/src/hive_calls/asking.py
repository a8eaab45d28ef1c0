"""What a function may ask of Hive instead of giving a result: to be run again later.

    from hive_calls.asking import Ask, Park, QuotaReached, Snooze

    def fetch(day: str) -> int:
        if not report_is_there(day):
            raise Snooze(timedelta(minutes=10))
        if not is_approved(day):
            raise Park("somebody has to approve it")
        if is_odd(day) and not read_answers():
            raise Ask(f"{day} has no sales. Shall it be sent?", options=("yes", "no"))
        reply = ask_the_provider(day)
        if reply.status == 429:
            raise QuotaReached(reply.retry_after)

None of them costs an attempt: it is no failure. Each may be raised or returned; raised, it passes
through the function's callers as any exception does, and `except Exception` stops it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hive_contracts.outcomes import (
    LONGEST_OPTION,
    LONGEST_QUESTION,
    MOST_OPTIONS,
    Asked,
    Parked,
    is_option,
)

__all__ = ["Ask", "Asking", "Park", "QuotaReached", "Snooze", "outcome_of"]

LONGEST_REASON: Final = 1000
LONGEST_WAIT: Final = timedelta(days=366)


class Asking(Exception):  # noqa: N818 - it is a wish, and no error
    """What a function asks for. Raise or return `Snooze`, `Park`, `QuotaReached` or `Ask`."""

    reason: str
    again_after: timedelta | None = None
    until: datetime | None = None
    opens_breaker: bool = False

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        after, until = self.again_after, self.until
        return {
            "reason": self.reason[:LONGEST_REASON],
            "seconds": None if after is None else after.total_seconds(),
            "until": None if until is None else until.astimezone(UTC).isoformat(),
            "opens_breaker": self.opens_breaker,
        }


class Snooze(Asking):
    """Run the task again after a while."""

    def __init__(self, delay: timedelta, reason: str | None = None) -> None:
        """Ask for a while.

        Args:
            delay: how long to wait.
            reason: why, for people who look at the task.

        Raises:
            ValueError: the delay is negative or longer than a year.
        """
        if not timedelta(0) <= delay <= LONGEST_WAIT:
            raise ValueError(f"a snooze lasts from 0 to 366 days, not {delay}")
        self.again_after = delay
        self.reason = reason or "it asked to be run again later"
        super().__init__(self.reason)


class Park(Asking):
    """Set the task aside until a moment, or until somebody lets it go on (`hive unpark`)."""

    def __init__(self, reason: str | None = None, *, until: datetime | None = None) -> None:
        """Ask to be set aside.

        Args:
            reason: why, for people who look at the task.
            until: when it goes on by itself (aware); None for only when somebody says so.

        Raises:
            ValueError: the moment has no time zone.
        """
        if until is not None and until.tzinfo is None:
            raise ValueError(f"until needs a time zone: {until.isoformat()}")
        self.until = until
        self.reason = reason or "it asked to be set aside"
        super().__init__(self.reason)


class QuotaReached(Asking):
    """Say that a quota is used up: the task's breaker opens, and nothing that names it begins.

    What runs goes on. The task is run again when there is quota, also if it has no breaker.
    """

    opens_breaker = True

    def __init__(self, retry_after: timedelta | None = None, reason: str | None = None) -> None:
        """Say so.

        Args:
            retry_after: when there is quota again, from now; None if nobody knows.
            reason: what was said, for people who look at the task or the breaker.

        Raises:
            ValueError: the time is negative or longer than a year.
        """
        if retry_after is not None and not timedelta(0) <= retry_after <= LONGEST_WAIT:
            raise ValueError(f"retry_after is from 0 to 366 days, not {retry_after}")
        self.again_after = retry_after
        self.reason = reason or "its quota is used up"
        super().__init__(self.reason)


class Ask(Asking):
    """Ask a person something; the task is run again once there is an answer (`hive answer`).

    The function begins anew then, and finds what was answered with `read_answers`.
    """

    def __init__(self, question: str, *, options: Sequence[str] = ()) -> None:
        """Ask.

        Args:
            question: what, in words that make sense to who has not watched.
            options: what may be answered; none if any text may.

        Raises:
            ValueError: the question is empty or longer than 10,000 characters, or the options are
                one text, more than 20, not all different, or one of them is empty, a lone dash,
                longer than 200 characters, or has some that are not printed.
        """
        if not 1 <= len(question) <= LONGEST_QUESTION:
            raise ValueError(f"a question has 1 to 10,000 characters, not {len(question):,}")
        if isinstance(options, str):
            raise ValueError(f"options are several texts, as in ({options!r}, ...), and not one")  # noqa: TRY004 - as for all else that is no option
        if len(options) > MOST_OPTIONS or len(set(options)) < len(options):
            raise ValueError(f"options are at most 20, each another text, not {options!r}")
        for option in options:
            if not is_option(option) or len(option) > LONGEST_OPTION:
                raise ValueError(
                    "an option is 1 to 200 characters that can be printed, and not '-' alone; not"
                    f" {option!r}"
                )
        self.reason = question
        self.options = tuple(options)
        super().__init__(question)

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        return {"reason": self.reason, "options": self.options}


def outcome_of(plain: dict[str, Any]) -> Parked | Asked:
    """Return what it means that a function asked for what `as_plain` told."""
    if "options" in plain:
        return Asked(plain["reason"], tuple(plain["options"]))
    seconds, until = plain["seconds"], plain["until"]
    return Parked(
        plain["reason"],
        again_after=None if seconds is None else timedelta(seconds=seconds),
        until=None if until is None else datetime.fromisoformat(until),
        opens_breaker=plain["opens_breaker"],
    )
