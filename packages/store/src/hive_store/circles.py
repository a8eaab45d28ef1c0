"""Tasks that would wait for one another in a circle, found so that the circle can be named."""

from collections.abc import Mapping, Sequence

__all__ = ["find_circle", "in_words"]


def find_circle(name: str, after: Mapping[str, Sequence[object]]) -> list[str] | None:
    """Return a shortest circle through `name`, which is its first and its last; None without one.

    Args:
        name: what a task is called.
        after: of each task that has a name, what it comes after; only names count.
    """
    came_from: dict[str, str] = {}
    row = [name]
    while row:
        above: list[str] = []
        for child in row:
            for parent in after.get(child, ()):
                if parent == name:
                    return _back_to(name, child, came_from)
                if isinstance(parent, str) and parent not in came_from:
                    came_from[parent] = child
                    above.append(parent)
        row = above
    return None


def _back_to(name: str, last: str, came_from: Mapping[str, str]) -> list[str]:
    path = [name]
    while last != name:
        path.append(last)
        last = came_from[last]
    return [name, *reversed(path)]


def in_words(circle: Sequence[str]) -> str:
    """Return what is wrong with a circle, and which it is."""
    return f"tasks would wait for one another in a circle: {' after '.join(map(repr, circle))}"
