"""How much is claimed at once follows from how long tasks ran of late."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_queen.pacing import Pace, RunTimes, pace_for

KNOWN_SHORT = st.floats(min_value=0, max_value=1)


def pace(seconds: float | None, *, slots: int = 8, workers: int = 2) -> Pace:
    return pace_for(
        seconds, slots=slots, workers=workers, ahead_seconds=0.05, max_ahead=4000, max_bundle=500
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, Pace(ahead=0, bundle_size=1)),
        (3600.0, Pace(ahead=0, bundle_size=1)),
        (0.05, Pace(ahead=0, bundle_size=1)),
        (0.025, Pace(ahead=16, bundle_size=8)),
        (0.01, Pace(ahead=40, bundle_size=20)),
        (0.00001, Pace(ahead=4000, bundle_size=500)),
        (0.0, Pace(ahead=4000, bundle_size=500)),
    ],
)
def test_only_what_is_known_to_be_short_goes_ahead_of_slots(
    seconds: float | None, expected: Pace
) -> None:
    assert pace(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "slots", "workers"),
    list(product([None, 0.0, 1e-7, 0.004, 0.049, 0.05, 9.0], [0, 1, 4, 1000], [0, 1, 3])),
)
def test_every_pace_stays_within_its_bounds(
    seconds: float | None, slots: int, workers: int
) -> None:
    chosen = pace(seconds, slots=slots, workers=workers)
    assert 0 <= chosen.ahead <= 4000
    assert 1 <= chosen.bundle_size <= 500
    if seconds:
        assert chosen.ahead * seconds <= slots * 0.05 + 1e-9


@given(st.lists(KNOWN_SHORT, min_size=1, max_size=20))
def test_a_run_time_stays_between_the_fastest_and_the_slowest_seen(means: list[float]) -> None:
    times = RunTimes()
    times.claimed("default", ["trial"])
    for mean in means:
        times.observe({"trial": (4, 4 * mean)})
    expected = times.expected_seconds("default")
    assert expected is not None
    assert min(means) - 1e-9 <= expected <= max(means) + 1e-9


def test_slower_is_believed_at_once_and_faster_by_and_by() -> None:
    times = RunTimes()
    times.claimed("default", ["trial"])
    times.observe({"trial": (10, 0.1)})
    times.observe({"trial": (1, 5.0)})
    assert times.expected_seconds("default") == 5.0
    times.observe({"trial": (10, 0.1)})
    assert times.expected_seconds("default") == pytest.approx(5 - 0.3 * 4.99)


def test_the_slowest_kind_of_a_queue_decides() -> None:
    times = RunTimes()
    times.observe({"quick": (1, 0.001), "slow": (1, 2.0)})
    times.claimed("default", ["quick", "slow"])
    assert times.expected_seconds("default") == 2.0


def test_a_kind_that_was_never_seen_to_end_is_unknown() -> None:
    times = RunTimes()
    assert times.expected_seconds("default") is None
    times.claimed("default", ["quick", "new"])
    times.observe({"quick": (1, 0.001), "new": (0, 0.0)})
    assert times.expected_seconds("default") is None
