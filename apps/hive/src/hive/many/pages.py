"""The tasks of a list, a page at a time, so that a list of any length takes little memory."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_store import Selector, TaskSummary

__all__ = ["Page", "pages"]

MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some tasks of a list, newest first; only that of an empty list has none."""

    tasks: list[TaskSummary]
    is_last: bool
    """Whether it is the last page of the list."""

    has_older: bool
    """Whether there are tasks that would be next."""


async def pages(
    selector: Selector, selection: Selection, *, limit: int | None, before: TaskId | None
) -> AsyncGenerator[Page]:
    """Yield the newest `limit` tasks that fit, all of them if None; with `before`, older ones."""
    left = limit
    while True:
        size = MOST if left is None else min(MOST, left)
        found = await selector.page(selection, limit=size + 1, before=before)
        tasks, has_older = found[:size], len(found) > size
        left = None if left is None else left - len(tasks)
        is_last = not has_older or left == 0
        yield Page(tasks=tasks, is_last=is_last, has_older=has_older)
        if is_last:
            return
        before = tasks[-1].id
