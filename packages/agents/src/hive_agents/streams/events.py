"""Look into an event that somebody else's program has printed: nothing of it is to be relied on."""

from typing import Any, Final, cast

__all__ = ["amount_at", "at", "count_at", "list_at", "session_at", "text_at"]

MOST: Final = 2**53
"""Larger numbers mean nothing, and fit nowhere."""

LONGEST_SESSION: Final = 1000
"""Characters; it has to fit into a command line."""


def at(event: object, *path: str) -> Any:
    """Return what stands at a path of names; None if anything of it is missing."""
    for name in path:
        if not isinstance(event, dict):
            return None
        event = cast("dict[str, Any]", event).get(name)
    return event


def text_at(event: object, *path: str) -> str | None:
    """Return a text that says something."""
    found = at(event, *path)
    # Postgres holds no NUL.
    return found.replace("\0", "\ufffd") if isinstance(found, str) and found else None


def session_at(event: object, *path: str) -> str | None:
    """Return the name of a session, if it is one that a program can be handed as an argument."""
    found = at(event, *path)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_SESSION:
        return None
    # With a dash in front the program would take it for an option.
    return found if found.isprintable() and not found.startswith("-") else None


def count_at(event: object, *path: str) -> int | None:
    """Return a whole number from 0 up, within reason."""
    found = at(event, *path)
    if isinstance(found, bool) or not isinstance(found, int):
        return None
    return found if 0 <= found <= MOST else None


def amount_at(event: object, *path: str) -> float | None:
    """Return a number from 0 up, within reason."""
    found = at(event, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 <= found <= MOST else None


def list_at(event: object, *path: str) -> list[Any]:
    """Return a list, empty if there is none."""
    found = at(event, *path)
    return cast("list[Any]", found) if isinstance(found, list) else []
