"""The names of everything that dispatch keeps in Redis.

`{prefix}` keeps Hives that share a Redis apart. arq keeps its own keys, one or more per job, beside
these; their first parts are fixed, so the prefix stands in the job's id.
"""

from typing import Final

__all__ = ["FUNCTION", "bell_key", "epoch_key", "queue_key"]

FUNCTION: Final = "bundle"
"""What arq calls the function that takes a bundle."""


def queue_key(prefix: str, queue: str) -> str:
    """Return the key of the sorted set in which arq keeps the ids of a queue's waiting jobs."""
    return f"{prefix}:queue:{queue}"


def bell_key(prefix: str, queue: str) -> str:
    """Return the key of the list that wakes whoever serves a queue."""
    return f"{prefix}:bell:{queue}"


def epoch_key(prefix: str) -> str:
    """Return the key that is gone when Redis has forgotten everything."""
    return f"{prefix}:epoch"
