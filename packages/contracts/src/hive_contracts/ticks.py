"""The moments at which a schedule falls due: reckoned, never waited for.

Clocks on walls jump twice a year, so that a time of the day may not exist or come twice. An
expression whose minute and hour (and second) all begin with something other than `*` names *times
of the day*, and each comes once a day: one that the clock leaves out comes at once after the gap,
and one that the clock shows twice comes the first time. Every other expression is a *rhythm*, which
follows the clock as it is: what it leaves out does not come, what it shows twice comes twice.

The expression itself is read by cronsim, which is only ever asked of walls without jumps: asked of
a zone, it leaves out ticks where clocks jump by half an hour or at midnight.
"""

from collections.abc import Iterator
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count, takewhile
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hive_contracts.errors import RefusedScheduleError
from hive_contracts.schedules import Cron, Every, Once, When

__all__ = ["check_when", "said", "ticks_after"]

SHORTEST_INTERVAL: Final = timedelta(seconds=1)
LONGEST_INTERVAL: Final = timedelta(days=3660)
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
LAST_MOMENT: Final = datetime(9000, 1, 1, tzinfo=UTC)

NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS_WITHOUT_SECONDS: Final = 5


def ticks_after(when: When, after: datetime) -> Iterator[datetime]:
    """Yield the ticks behind `after`, which is aware, in UTC and in order.

    Raises:
        RefusedScheduleError: no ticks can be reckoned of `when`; the message says why.
    """
    check_when(when)
    match when:
        case Cron():
            ticks = _cron_ticks(when, after.astimezone(UTC))
            return takewhile(lambda tick: tick < LAST_MOMENT, ticks)
        case Every():
            return takewhile(lambda tick: tick < LAST_MOMENT, _interval_ticks(when, after))
        case Once():
            return iter([when.at.astimezone(UTC)] if when.at > after else [])
        case _:
            assert_never(when)


def said(when: When, tick: datetime) -> str:
    """Return a tick in ISO 8601, as the clock on the schedule's wall shows it."""
    zone = ZoneInfo(when.zone) if isinstance(when, Cron) else UTC
    return tick.astimezone(zone).isoformat(timespec="seconds")


def check_when(when: When) -> None:
    """Refuse what no ticks can be reckoned of.

    Raises:
        RefusedScheduleError: the message names the value.
    """
    match when:
        case Cron():
            _read(when.expression, when.zone)
        case Every():
            if not SHORTEST_INTERVAL <= when.interval <= LONGEST_INTERVAL:
                raise RefusedScheduleError(
                    f"an interval is from 1 s to 10 years, not {when.interval.total_seconds():g} s"
                )
            _refuse_naive("an anchor", when.anchor)
        case Once():
            _refuse_naive("a moment", when.at)
        case _:
            assert_never(when)


def _refuse_naive(what: str, moment: datetime | None) -> None:
    if moment is not None and (moment.tzinfo is None or moment >= LAST_MOMENT):
        raise RefusedScheduleError(
            f"{what} has a time zone and is before {LAST_MOMENT:%Y}, not {moment.isoformat()}"
        )


def _interval_ticks(when: Every, after: datetime) -> Iterator[datetime]:
    if when.anchor is None:
        raise RefusedScheduleError("an interval is counted from an anchor, and there is none")
    anchor = when.anchor.astimezone(UTC)
    passed = max(0, (after - anchor) // when.interval + 1)
    return (anchor + when.interval * number for number in count(passed))


def _cron_ticks(when: Cron, after: datetime) -> Iterator[datetime]:
    expression, zone = _read(when.expression, when.zone)
    *time_of_day, _, _, _ = expression.split()
    is_rhythm = any(field.startswith("*") for field in time_of_day)
    walk = _rhythm if is_rhythm else _times_of_day
    return walk(expression, zone, after)


def _times_of_day(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for wall in _walls(expression, _wall(after, zone)):
        tick = _moment_of(wall, zone)
        # Several that the clock leaves out come together, which is once.
        if tick > last:
            yield tick
            last = tick


def _walls(expression: str, after: datetime) -> Iterator[datetime]:
    """Yield what a clock without jumps shows behind `after`."""
    walk = copy(_parsed(expression))
    walk.dt = after.replace(microsecond=0)
    return walk


def _moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock shows `wall` for the first time, or when it has jumped over that."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(moment, zone) == wall:
        return moment
    return _first_change(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), moment) or moment


def _rhythm(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Walk from one jump of the clock to the next: between them it is a clock like any other."""
    begin, last = _wall(after, zone), after
    while True:
        offset = _offset(zone, last)
        for wall in _walls(expression, begin):
            tick = wall.replace(tzinfo=UTC) - offset
            change = _first_change(zone, last, tick)
            if change is not None:
                begin, last = _wall(change, zone) - SECOND, change
                break
            yield tick
            last = tick
        else:
            return


def _first_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """Return the first whole second behind `after`, and up to `until`, with another offset."""
    offset, low = _offset(zone, after), after
    while low < until:
        high = min(low + DAY, until)
        if _offset(zone, high) != offset:
            return _halve(zone, offset, low.replace(microsecond=0), high)
        low = high
    return None


def _halve(zone: ZoneInfo, offset: timedelta, low: datetime, high: datetime) -> datetime:
    while high - low > SECOND:
        middle = low + timedelta(seconds=(high - low) // SECOND // 2)
        low, high = (low, middle) if _offset(zone, middle) != offset else (middle, high)
    return high


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=1024)
def _read(expression: str, zone: str) -> tuple[str, ZoneInfo]:
    """Return the expression in fields, and the zone."""
    fields = NICKNAMES.get(expression.strip().lower(), expression)
    try:
        _parsed(fields)
    except CronSimError as error:
        raise RefusedScheduleError(
            f"{expression!r} is no cron expression: {str(error).lower()}; write minute, hour, day"
            " of month, month and day of week, as in '30 3 * * MON-FRI', or @daily"
        ) from None
    try:
        # A name may also be that of a folder, or of a file that holds no zone.
        return fields, ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        raise RefusedScheduleError(
            f"there is no time zone {zone!r}; write one like UTC or Europe/Berlin"
        ) from None


@lru_cache(maxsize=1024)
def _parsed(fields: str) -> CronSim:
    # To read an expression takes ten times as long as to walk to its next moment.
    return CronSim(fields, datetime(2000, 1, 1))  # noqa: DTZ001 - a clock of no place
