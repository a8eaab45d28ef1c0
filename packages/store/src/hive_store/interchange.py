"""The lines of an export: JSON, one record a line, each with its type and the format's version.

    {"type": "hive", "version": 1, "row": {"schema": 4, "made_at": ..., "columns": ..., ...}}
    {"type": "task", "version": 1, "row": {"id": 1, "queue": "default", ...}}
    {"type": "dependency", "version": 1, "row": {"child_id": 2, "parent_id": 1, ...}}
    {"type": "attempt", "version": 1, "row": {"task_id": 1, "claim": 1, ...}}
    {"type": "question", "version": 1, "row": {"task_id": 1, "number": 1, "question": ..., ...}}
    {"type": "spending", "version": 1, "row": {"task_id": 1, "claim": 1, ...}}
    {"type": "output", "version": 1, "row": {"task_id": 1, ..., "text": "hello"}}
    {"type": "event", "version": 1, "row": {"type": "queued", "task_ids": [1], ...}}
    {"type": "end", "version": 1, "row": {"task": 1, "attempt": 1, ...}}

Tasks come by their ids, dependencies, attempts, questions and output by their tasks, events in the
order of the log. A row has the columns of its table, as the first line names them. Output that is
no UTF-8 has `base64` instead of `text`. Without its last line a file is cut off.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

__all__ = ["END", "HEAD", "TABLES", "VERSION", "Ids"]

VERSION: Final = 1

HEAD: Final = "hive"
END: Final = "end"

TABLES: Final[tuple[str, ...]] = (
    "task",
    "dependency",
    "attempt",
    "question",
    "spending",
    "output",
    "event",
)
"""The types of records, in the order of a file; each is a table's name.

A file of an older Hive has none of those that its schema lacked.
"""


class Ids:
    """Ids that rise, and what each has become, at 16 bytes each."""

    def __init__(self) -> None:
        self._old: array[int] = array("q")
        self._new: array[int] = array("q")

    def __len__(self) -> int:
        return len(self._old)

    @property
    def last(self) -> int:
        """The last one; 0 if there is none."""
        return self._old[-1] if self._old else 0

    def add(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Add ids that are above all others, and as many that they become."""
        self._old.extend(old)
        self._new.extend(new)

    def find(self, old: int) -> int | None:
        """Return what an id has become; None if it is not among them."""
        place = bisect_left(self._old, old)
        if place < len(self._old) and self._old[place] == old:
            return self._new[place]
        return None

    def all(self) -> Sequence[int]:
        """Return the ids as they were."""
        return self._old

    def runs(self) -> list[tuple[int, int, int]]:
        """Return the ids in runs without gaps: the first, the last, what the first has become."""
        found: list[tuple[int, int, int]] = []
        for old, new in zip(self._old, self._new, strict=True):
            if found:
                first, last, became = found[-1]
                if old == last + 1 and new == became + old - first:
                    found[-1] = (first, old, became)
                    continue
            found.append((old, old, new))
        return found
