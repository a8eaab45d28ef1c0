"""Settings that contradict one another are refused with the values in the message."""

from typing import Any

import pytest

from hive_contracts.errors import ConfigurationError
from hive_queen.settings import QueenSettings


def test_the_defaults_agree_with_one_another() -> None:
    assert QueenSettings().lease_seconds > 2 * QueenSettings().poll_seconds


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lease_seconds": 0}, "more than 0"),
        ({"poll_seconds": 0}, "more than 0"),
        ({"lease_seconds": 3, "poll_seconds": 2}, "two polls"),
        ({"max_bundle": 0}, "max_bundle"),
        ({"max_ahead": -1}, "max_ahead"),
        ({"retry_batch": 0}, "retry_batch"),
        ({"event_days": 0}, "event log"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        QueenSettings(**options)
