"""Numbers with their nouns, and long lists made short, as people write them."""

from collections.abc import Sequence

__all__ = ["counted", "some_of"]


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return so many of something: `1 worker`, `2 workers`, `12,000 losses`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def some_of(items: Sequence[object], *, most: int = 3) -> str:
    """Return the first of `items`, and how many more there are: `7, 8, 9 and 1,497 more`."""
    if len(items) <= most + 1:
        return ", ".join(map(str, items))
    return f"{', '.join(map(str, items[:most]))} and {len(items) - most:,} more"
