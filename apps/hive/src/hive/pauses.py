"""Since when a queue is paused, by whom, and why, in words."""

from hive.moments import show_moment
from hive_contracts.limits import PausedQueue

__all__ = ["paused_line", "since"]


def since(paused: PausedQueue) -> str:
    """Return the end of a sentence that begins with the queue."""
    why = f" ({paused.reason})" if paused.reason else ""
    return f"is paused since {show_moment(paused.at)} by {paused.by}{why}"


def paused_line(paused: PausedQueue) -> str:
    """Return a sentence about a queue."""
    return f"queue {paused.name} {since(paused)}"
