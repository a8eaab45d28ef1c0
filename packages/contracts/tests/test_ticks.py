"""Ticks are those that a clock on the wall would show, held against zoneinfo's own arithmetic."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hive_contracts.errors import RefusedScheduleError
from hive_contracts.schedules import Cron, Every, Missed, Once, When
from hive_contracts.tick_plans import MOST_COUNTED, plan
from hive_contracts.ticks import said, ticks_after

for profile, examples in (("desk", 60), ("ci", 300), ("nightly", 10_000)):
    settings.register_profile(profile, max_examples=examples, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "desk"))

JUMPS = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "America/Santiago": ("2026-04-05", "2026-09-06"),
    "Asia/Beirut": ("2026-03-29", "2026-10-25"),
    "Africa/Casablanca": ("2026-02-15", "2026-03-22"),
    "Pacific/Apia": ("2011-09-24", "2011-12-30"),
    "Asia/Kolkata": ("2026-03-29", "2026-10-25"),
}
"""Days on which clocks jump: by an hour, by half of one, at midnight, over a whole day, and not."""

MINUTE = timedelta(minutes=1)


def moments(start: datetime, hours: int) -> Iterator[datetime]:
    return (start + MINUTE * number for number in range(1, hours * 60 + 1))


def wall(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def ticks(when: When, after: datetime, until: datetime) -> list[datetime]:
    found: list[datetime] = []
    for tick in ticks_after(when, after):
        if tick > until:
            break
        found.append(tick)
    return found


def local(text: str, zone: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@st.composite
def around_a_jump(draw: st.DrawFn) -> tuple[str, datetime]:
    zone = draw(st.sampled_from(sorted(JUMPS)))
    day = datetime.fromisoformat(draw(st.sampled_from(JUMPS[zone]))).replace(tzinfo=UTC)
    return zone, day + MINUTE * draw(st.integers(-30 * 60, 12 * 60))


numbers = st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True)
hours = st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True)
steps = st.sampled_from([1, 2, 5, 7, 20, 30])


def listed(values: list[int]) -> str:
    return ",".join(map(str, values))


@given(around_a_jump(), st.one_of(numbers, steps), st.one_of(hours, steps))
def test_a_rhythm_comes_whenever_the_clock_shows_it(
    place: tuple[str, datetime], minute: list[int] | int, hour: list[int] | int
) -> None:
    zone, start = place
    if isinstance(minute, list) and isinstance(hour, list):
        minute = 1
    fields = [f"*/{field}" if isinstance(field, int) else listed(field) for field in (minute, hour)]
    shown = [
        moment
        for moment in moments(start, 60)
        if all(
            value % field == 0 if isinstance(field, int) else value in field
            for value, field in (
                (wall(moment, zone).minute, minute),
                (wall(moment, zone).hour, hour),
            )
        )
    ]
    when = Cron(f"{' '.join(fields)} * * *", zone)
    assert ticks(when, start, start + timedelta(hours=60)) == shown


@given(around_a_jump(), numbers, hours)
def test_a_time_of_the_day_comes_once_a_day(
    place: tuple[str, datetime], minute: list[int], hour: list[int]
) -> None:
    zone, start = place
    first_day = wall(start, zone).replace(hour=0, minute=0) - timedelta(days=2)
    wanted = sorted(
        first_day + timedelta(days=day, hours=h, minutes=m)
        for day in range(7)
        for h in hour
        for m in minute
    )
    # The first minute at which the clock shows the time, or has jumped over it.
    begin = start - timedelta(days=4)
    walls = [(moment, wall(moment, zone)) for moment in moments(begin, 8 * 24)]
    highest = datetime.min  # noqa: DTZ901 - clocks on walls have no zone
    expected: set[datetime] = set()
    pending = [each for each in wanted if each > walls[0][1]]
    for moment, shown in walls:
        while pending and shown >= pending[0] and shown > highest:
            expected.add(moment)
            pending.pop(0)
        highest = max(highest, shown)
    until = start + timedelta(hours=60)
    assert ticks(Cron(f"{listed(minute)} {listed(hour)} * * *", zone), start, until) == sorted(
        moment for moment in expected if start < moment <= until
    )


@given(around_a_jump(), st.sampled_from(["*/10 * * * *", "30 2 * * *", "0 */2 * * *", "0 0 * * *"]))
def test_who_asks_again_and_again_is_told_the_same_as_who_asks_once(
    place: tuple[str, datetime], expression: str
) -> None:
    zone, start = place
    when = Cron(expression, zone)
    at_once = list(islice(ticks_after(when, start), 40))
    one_by_one, after = list[datetime](), start
    for _ in at_once:
        after = next(ticks_after(when, after))
        one_by_one.append(after)
    assert one_by_one == at_once


def test_a_time_that_the_clock_leaves_out_comes_right_after_the_gap() -> None:
    zone = "Europe/Berlin"
    after, until = local("2026-03-28T12:00", zone), local("2026-03-30T12:00", zone)
    assert ticks(Cron("30 2 * * *", zone), after, until) == [
        local("2026-03-29T03:00", zone),
        local("2026-03-30T02:30", zone),
    ]
    # Two that fall into one gap are one.
    assert ticks(Cron("15,45 2 29 3 *", zone), after, until) == [local("2026-03-29T03:00", zone)]
    # Where the gap is of half an hour, and where it is at midnight.
    assert ticks(
        Cron("15 2 4 10 *", "Australia/Lord_Howe"),
        local("2026-10-03T12:00", zone),
        local("2026-10-05T12:00", zone),
    ) == [local("2026-10-04T02:30", "Australia/Lord_Howe")]
    assert ticks(
        Cron("@daily", "America/Santiago"),
        local("2026-09-05T12:00", "America/Santiago"),
        local("2026-09-06T12:00", "America/Santiago"),
    ) == [local("2026-09-06T01:00", "America/Santiago")]


def test_a_time_that_the_clock_shows_twice_comes_the_first_time() -> None:
    zone = "America/New_York"
    after, until = local("2026-10-31T12:00", zone), local("2026-11-02T12:00", zone)
    first, second = (local("2026-11-01T01:30", zone, fold=fold) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    when = Cron("30 1 * * *", zone)
    assert ticks(when, after, until) == [first, local("2026-11-02T01:30", zone)]
    # Also for who begins to count between the two.
    assert ticks(when, first + MINUTE, until) == [local("2026-11-02T01:30", zone)]


def test_a_rhythm_goes_on_through_the_hour_that_comes_twice() -> None:
    zone = "America/New_York"
    after = local("2026-11-01T00:59", zone)
    found = list(islice(ticks_after(Cron("*/30 * * * *", zone), after), 5))
    assert [later - earlier for earlier, later in pairwise(found)] == [timedelta(minutes=30)] * 4


def test_seconds_names_and_nicknames_are_understood() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert ticks(Cron("*/20 * * * * *"), start, start + MINUTE) == [
        start + timedelta(seconds=seconds) for seconds in (20, 40, 60)
    ]
    assert next(ticks_after(Cron("0 9 * feb mon-fri"), start)) == datetime(
        2026, 2, 2, 9, tzinfo=UTC
    )
    for nickname, expected in {
        "@hourly": start.replace(hour=1),
        "@daily": start.replace(day=2),
        "@midnight": start.replace(day=2),
        "@weekly": start.replace(day=4),
        "@monthly": start.replace(month=2),
        "@yearly": start.replace(year=2027),
        "@Annually": start.replace(year=2027),
    }.items():
        assert next(ticks_after(Cron(nickname), start)) == expected


def test_a_part_of_a_second_is_never_asked_for_again() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    when = Cron("* * * * * *")
    assert next(ticks_after(when, start)) == start + timedelta(seconds=1)
    assert next(ticks_after(when, start + timedelta(microseconds=1))) == start + timedelta(
        seconds=1
    )
    assert next(ticks_after(when, start - timedelta(microseconds=1))) == start


def test_an_interval_counts_from_its_anchor_and_knows_no_clock_on_a_wall() -> None:
    anchor = local("2026-03-28T12:00", "Europe/Berlin")
    when = Every(timedelta(days=1), anchor)
    assert next(ticks_after(when, anchor - timedelta(days=9))) == anchor
    assert next(ticks_after(when, anchor)) == anchor + timedelta(hours=24)
    late = anchor + timedelta(days=365 * 20, microseconds=1)
    assert next(ticks_after(when, late)) - late == timedelta(days=1, microseconds=-1)


def test_once_is_once() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert list(ticks_after(Once(at), at - MINUTE)) == [at]
    assert list(ticks_after(Once(at), at)) == []


def test_what_can_never_be_has_no_ticks() -> None:
    assert list(ticks_after(Cron("* * */20 * 1L"), datetime(2026, 1, 1, tzinfo=UTC))) == []


@pytest.mark.parametrize(
    "when",
    [
        Cron("61 * * * *"),
        Cron("* * * *"),
        Cron(""),
        Cron("@sometimes"),
        Cron("0 0 30 2 *"),
        Cron("0 0 * * *", "Mars/Olympus"),
        Cron("0 0 * * *", "../etc/passwd"),
        Cron("0 0 * * *", ""),
        Cron("0 0 * * *", "Europe"),
        Every(timedelta(0), datetime(2026, 1, 1, tzinfo=UTC)),
        Every(timedelta(days=4000), datetime(2026, 1, 1, tzinfo=UTC)),
        Every(timedelta(days=1), datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the fault
        Once(datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the fault
    ],
)
def test_what_says_no_moment_is_refused_with_its_value(when: When) -> None:
    with pytest.raises(RefusedScheduleError, match=r"not|no "):
        next(ticks_after(when, datetime(2026, 1, 1, tzinfo=UTC)), None)


START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_tick_that_is_on_time_is_submitted_whatever_the_policy() -> None:
    for missed in Missed:
        found = plan(
            Cron("@hourly"), missed, 100, after=START, now=START + timedelta(hours=1, seconds=1)
        )
        assert found.ticks == (START + timedelta(hours=1),)
        assert (found.left_out, found.left_out_until) == (0, None)
        assert found.next_at == START + timedelta(hours=2)


def test_missed_ticks_are_made_up_for_as_the_policy_says() -> None:
    now = START + timedelta(hours=5, minutes=30)
    hour = timedelta(hours=1)

    def found(missed: Missed, most: int = 100) -> tuple[list[int], int, int | None]:
        made = plan(Cron("@hourly"), missed, most, after=START, now=now)
        assert made.next_at == START + 6 * hour
        until = made.left_out_until
        return (
            [(tick - START) // hour for tick in made.ticks],
            made.left_out,
            None if until is None else (until - START) // hour,
        )

    assert found(Missed.SKIP) == ([], 5, 5)
    assert found(Missed.LAST) == ([5], 4, 4)
    assert found(Missed.ALL) == ([1, 2, 3, 4, 5], 0, None)
    assert found(Missed.ALL, 2) == ([4, 5], 3, 3)


@pytest.mark.parametrize(
    "when", [Cron("* * * * * *"), Cron("* * 1 1 *"), Every(timedelta(seconds=1), START)]
)
def test_years_of_missed_ticks_are_counted_to_a_hundred_and_the_newest_are_found(
    when: When,
) -> None:
    now = START + timedelta(days=3 * 365 + 40, milliseconds=7)
    found = plan(when, Missed.ALL, 3, after=START, now=now)
    assert found.left_out == MOST_COUNTED
    assert found.next_at is not None
    newest = list(islice(ticks_after(when, found.ticks[0] - timedelta(microseconds=1)), 4))
    assert newest == [*found.ticks, found.next_at]
    assert found.left_out_until is not None
    assert found.left_out_until < found.ticks[0] <= now < found.next_at


def test_a_tick_is_said_as_the_wall_shows_it() -> None:
    tick = datetime(2026, 7, 1, 1, tzinfo=UTC)
    assert said(Cron("@daily", "Europe/Berlin"), tick) == "2026-07-01T03:00:00+02:00"
    assert said(Once(tick), tick) == "2026-07-01T01:00:00+00:00"
