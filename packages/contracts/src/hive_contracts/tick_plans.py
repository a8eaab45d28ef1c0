"""What is to be done about a schedule whose time has come: which ticks are submitted, which not."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple, assert_never

from hive_contracts.schedules import Missed, When
from hive_contracts.ticks import ticks_after

__all__ = ["MOST_COUNTED", "Plan", "plan"]

ON_TIME: Final = timedelta(seconds=60)
"""A tick that is later than this was missed: a queen that is replaced takes less."""

MOST_COUNTED: Final = 100
"""Ticks that are left out are counted up to this; after a year there may be 31 million of them."""

INSTANT: Final = timedelta(microseconds=1)
SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about a schedule whose time has come."""

    ticks: tuple[datetime, ...]
    """The ticks to submit, the earliest first."""

    left_out: int
    """How many ticks are not made up for; `MOST_COUNTED` stands for so many or more."""

    left_out_until: datetime | None
    """The last of those; None if there are none."""

    next_at: datetime | None
    """The first tick that is not due yet; None if there is none for ever."""


def plan(when: When, missed: Missed, max_missed: int, *, after: datetime, now: datetime) -> Plan:
    """Return which of the ticks behind `after`, and up to `now`, are submitted.

    Raises:
        RefusedScheduleError: no ticks can be reckoned of `when`; the message says why.
    """
    due = _due(when, after, now, most=max_missed if missed is Missed.ALL else 1)
    match missed:
        case Missed.SKIP:
            kept = [tick for tick in due.newest if now - tick <= ON_TIME]
        case Missed.LAST | Missed.ALL:
            kept = due.newest
        case _:
            assert_never(missed)
    left_out = due.total - len(kept)
    return Plan(
        ticks=tuple(kept),
        left_out=left_out,
        left_out_until=_last_left_out(when, after, kept, due.newest) if left_out else None,
        next_at=due.following,
    )


class _Due(NamedTuple):
    newest: list[datetime]
    total: int
    """How many are due; `MOST_COUNTED` beside the newest stand for so many or more."""

    following: datetime | None


def _due(when: When, after: datetime, now: datetime, *, most: int) -> _Due:
    """Return the newest ticks behind `after` and up to `now`, how many there are, and the next."""
    countable = most + MOST_COUNTED
    due = list[datetime]()
    for tick in islice(ticks_after(when, after), countable + 1):
        if tick > now:
            return _Due(due[-most:], len(due), tick)
        due.append(tick)
    if len(due) <= countable:
        return _Due(due[-most:], len(due), None)
    # There may be millions. The last ones are hardly further apart than the first ones were.
    reach = due[most] - due[0]
    while True:
        since = max(after, now - reach)
        newest, following = _until(now, ticks_after(when, since), most=most)
        if len(newest) == most:
            return _Due(newest, countable, following)
        reach *= 2


def _until(
    now: datetime, ticks: Iterator[datetime], *, most: int
) -> tuple[list[datetime], datetime | None]:
    """Return the last ticks up to `now`, and the one behind it."""
    newest = deque[datetime](maxlen=most)
    for tick in ticks:
        if tick > now:
            return list(newest), tick
        newest.append(tick)
    return list(newest), None


def _last_left_out(
    when: When, after: datetime, kept: list[datetime], newest: list[datetime]
) -> datetime:
    """Return the last tick that is left out, where there is one."""
    if not kept:
        return newest[-1]
    reach = SECOND
    while True:
        since = max(after, kept[0] - reach)
        earlier, _ = _until(kept[0] - INSTANT, ticks_after(when, since), most=1)
        if earlier:
            return earlier[0]
        reach *= 2
