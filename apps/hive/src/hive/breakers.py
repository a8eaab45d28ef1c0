"""How a circuit breaker stands, in words."""

from hive.moments import show_moment
from hive.words import counted
from hive_contracts.limits import Breaker

__all__ = ["breaker_line", "how_it_stands"]


def how_it_stands(breaker: Breaker) -> str:
    """Return the end of a sentence that begins with the breaker and "is"."""
    if not breaker.is_open:
        return "half-open" if breaker.probe_id is None else f"tried by task {breaker.probe_id}"
    if breaker.open_until is None:
        return "open until it is closed"
    return f"open until {show_moment(breaker.open_until)}"


def breaker_line(breaker: Breaker) -> str:
    """Return a sentence about a breaker."""
    why = f" ({breaker.reason})" if breaker.reason else ""
    return (
        f"breaker {breaker.name} is {how_it_stands(breaker)}{why},"
        f" {counted(breaker.waiting, 'task')} waiting"
    )
