"""What schedules made: what a history says against "each moment once, as its policies say".

A moment is *accounted for* if there is a task of it, or if Hive tells that it was left out and why.
Which tasks there are is asked of the tasks themselves, each of which was told its moment; what Hive
keeps of ticks is believed for what it left out alone.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from hive_chaos.history import History, LeftOut, Row, Ticking

__all__ = ["wrong_ticks"]

MOST_COUNTED: Final = 100
"""Hive counts missed ticks so far; it then stands for "or more"."""

SLACK_SECONDS: Final = 15.0
"""How long before a tick an earlier task may have ended and the queen not know: servers freeze."""


def wrong_ticks(history: History) -> list[str]:
    """Return what schedules missed, doubled, made up, or left out against their policies."""
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in history.rows:
        if row.schedule is not None:
            rows[row.schedule].append(row)
    names = sorted(rows.keys() | history.ticking.keys())
    nothing = Ticking(moments=())
    return [
        f"schedule {name} {sentence}"
        for name in names
        for sentence in _wrong(history.ticking.get(name, nothing), rows[name])
    ]


def _wrong(ticking: Ticking, rows: list[Row]) -> list[str]:
    made: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        if row.tick is not None:
            made[row.tick] += 1
    wanted = set(ticking.moments)
    left_out = _each_left_out(ticking, made)
    return [
        *(f"made {count} tasks for {tick}" for tick, count in made.items() if count > 1),
        *(f"made a task for {tick}, which is none of its moments" for tick in made.keys() - wanted),
        *(f"left out {tick}, and made a task for it" for tick in made.keys() & left_out.keys()),
        *(f"missed {tick}" for tick in wanted - made.keys() - left_out.keys()),
        *(
            f"left out {tick}, {told.reason}, {why}"
            for tick, told in ticking.left_out.items()
            if (why := _why_not(ticking, tick, told, rows)) is not None
        ),
    ]


def _each_left_out(ticking: Ticking, made: Mapping[int, int]) -> dict[int, LeftOut]:
    found: dict[int, LeftOut] = {}
    for tick, told in ticking.left_out.items():
        before = ticking.moments[: bisect_right(ticking.moments, tick)]
        some = before[-told.count :]
        if told.count >= MOST_COUNTED:
            last_made = max((each for each in made if each < tick), default=0)
            some = tuple(each for each in before if each > last_made)
        found |= dict.fromkeys(some, told)
        found[tick] = told
    return found


def _why_not(ticking: Ticking, tick: int, told: LeftOut, rows: list[Row]) -> str | None:
    """Return why a moment may not have been left out; None if it may."""
    if told.reason not in ticking.may_leave_out:
        return "which its policies do not allow"
    if told.reason == "overlap" and not _some_ran(tick, rows):
        return "though its earlier tasks had ended"
    if told.reason == "missed" and ticking.makes_up_for_last:
        after = bisect_right(ticking.moments, tick)
        if after == len(ticking.moments):
            return "and it was the last"
        if (next_told := ticking.left_out.get(ticking.moments[after])) is not None and (
            next_told.reason == "missed"
        ):
            return "and so the one after it, which must be made up for"
    return None


def _some_ran(tick: int, rows: list[Row]) -> bool:
    return any(
        row.tick is not None
        and row.tick < tick
        and (row.finished_at is None or row.finished_at > tick - SLACK_SECONDS)
        for row in rows
    )
