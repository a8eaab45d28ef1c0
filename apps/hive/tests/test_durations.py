from datetime import datetime, timedelta

import pytest

from hive.durations import read_duration, show_seconds
from hive.moments import read_when
from hive_contracts.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("5", 5),
        ("0.5", 0.5),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert read_duration(text, flag="--delay") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "5 m", "-5m", "5min", "1h30", "٣s", "9" * 400 + "d"])
def test_what_is_none_is_refused_with_its_flag(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--delay is "):
        read_duration(text, flag="--delay")


@pytest.mark.parametrize("text", ["-5m", "-1", "-0.5s"])
def test_a_negative_one_is_refused_as_such(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--delay is '{text}', which is negative; write"):
        read_duration(text, flag="--delay")


def test_how_long_ago_may_be_a_number_of_seconds_and_a_day_stays_a_day() -> None:
    assert read_when("90", flag="--since") == timedelta(seconds=90)
    assert read_when("20300131", flag="--since") == datetime(2030, 1, 31).astimezone()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.314, "0.31 s"),
        (4.25, "4.25 s"),
        (42.42, "42.4 s"),
        (60, "1m 0s"),
        (310, "5m 10s"),
        (3599.9, "1h 0m"),
        (5400, "1h 30m"),
        (273600, "3d 4h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert show_seconds(seconds) == text
