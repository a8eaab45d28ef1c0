from datetime import timedelta

import pytest

from hive.durations import read_duration, show_seconds
from hive_contracts.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400), ("250ms", 0.25)],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert read_duration(text, flag="--delay") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "-5m", "5min", "1h30", "٣s", "9" * 400 + "d"]
)
def test_what_is_none_is_refused_with_its_flag(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--delay is "):
        read_duration(text, flag="--delay")


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
