"""Look into an event that somebody else's program has printed: nothing of it is to be relied on."""

import math
from typing import Any, cast

__all__ = ["amount_at", "at", "count_at", "list_at", "text_at"]


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
    return found if isinstance(found, str) and found else None


def count_at(event: object, *path: str) -> int | None:
    """Return a whole number from 0 up."""
    found = at(event, *path)
    is_count = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return found if is_count else None


def amount_at(event: object, *path: str) -> float | None:
    """Return a finite number from 0 up."""
    found = at(event, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if math.isfinite(found) and found >= 0 else None


def list_at(event: object, *path: str) -> list[Any]:
    """Return a list, empty if there is none."""
    found = at(event, *path)
    return cast("list[Any]", found) if isinstance(found, list) else []
