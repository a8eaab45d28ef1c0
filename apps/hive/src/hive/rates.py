"""Rates as people write and read them: 10/s, 90/min, 5/h, 1000/day."""

import re
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["read_rate", "show_rate"]

SECONDS: Final = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60,
                  "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400}  # fmt: skip
RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)/([a-z]+)")
SHOWN: Final = ("s", "min", "h", "day")


def read_rate(text: str) -> float:
    """Return how many a second `text` says.

    Raises:
        ConfigurationError: it says no rate.
    """
    found = RATE.fullmatch(text)
    if found is None or found[2] not in SECONDS or float(found[1]) == 0:
        raise ConfigurationError(f"--rate is {text!r}; write it like 10/s, 90/min, 5/h or 1000/day")
    return float(found[1]) / SECONDS[found[2]]


def show_rate(rate: float) -> str:
    """Return a rate in the shortest time in which one or more may start."""
    unit = next((unit for unit in SHOWN if rate * SECONDS[unit] >= 1), SHOWN[-1])
    return f"{round(rate * SECONDS[unit], 4):g}/{unit}"
