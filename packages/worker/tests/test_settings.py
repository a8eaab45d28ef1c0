"""Settings that contradict one another are refused with the values in the message."""

from typing import Any

import pytest

from hive_contracts.errors import ConfigurationError
from hive_worker.settings import WorkerSettings


def test_the_defaults_agree_with_one_another() -> None:
    assert WorkerSettings().lease_seconds > 2 * WorkerSettings().heartbeat_seconds


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"queues": ()}, "at least one queue"),
        ({"slots": 0}, "worker.slots is 0"),
        ({"processes": 0}, "worker.processes is 0"),
        ({"heartbeat_seconds": 0}, r"heartbeat_seconds \(0\)"),
        ({"lease_margin_seconds": -1}, r"lease_margin_seconds \(-1\)"),
        ({"lease_seconds": 8, "heartbeat_seconds": 5}, "two heartbeats"),
        ({"lease_seconds": 10, "heartbeat_seconds": 5, "lease_margin_seconds": 5}, "must fit"),
        ({"output_cap_bytes": -1}, "output_cap_bytes"),
        ({"max_unwritten": 0}, "max_unwritten"),
        ({"grace_seconds": -1}, "grace_seconds"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        WorkerSettings(**options)
