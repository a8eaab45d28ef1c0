"""Print a list of tasks: as a table, as JSON, or their ids alone."""

import shlex
import textwrap
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import Enum, auto, unique
from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

from hive.durations import show_roughly, show_seconds
from hive.filters import Filter
from hive.moments import parked_in_words
from hive.printing import as_json, say, show
from hive.settings import Settings
from hive.tables import narrowed_lines
from hive.tasks.choosing import check, choose
from hive.tasks.outages import Outage
from hive.tasks.reaching import open_view
from hive.words import counted
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, WAITING_STATES

if TYPE_CHECKING:
    from hive_store import TaskSummary

__all__ = ["Form", "Wish", "next_command", "print_list"]

HEADS: Final[tuple[str, ...]] = (
    "id",
    "state",
    "kind",
    "queue",
    "age",
    "try",
    "took",
    "group",
    "needs",
    "worker",
    "error",
)
NUMBERS: Final = frozenset({"id", "age", "try", "took"})
TEXTS: Final = frozenset({"kind", "queue", "group", "needs", "worker", "error"})
OPTIONAL: Final = frozenset({"group", "needs", "worker", "error"})
"""Columns that are left out if no task has anything there."""

PAGE: Final = 1000
"""Tasks that are read at once, so that a list of any length takes little memory."""


@unique
class Form(Enum):
    """How a list is printed."""

    TABLE = auto()
    JSON = auto()
    IDS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What `hive list` was asked for."""

    filter: Filter
    form: Form
    limit: int | None
    """Most tasks to print; None for all."""

    before: TaskId | None
    """Only tasks older than this one."""

    needs_you: bool
    """Only tasks that wait for an answer."""

    words: Sequence[str]
    """The command line, to tell how it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Some tasks of a list, newest first; only that of an empty list has none."""

    tasks: list["TaskSummary"]
    is_last: bool
    """Whether it is the last page of the list."""

    has_older: bool
    """Whether there are tasks that would be next."""


async def print_list(settings: Settings, wish: Wish) -> None:
    """Print the tasks, the newest first, and on standard error how to see those that follow.

    Raises:
        ConfigurationError: the filter cannot be meant.
    """
    check(wish.filter)
    async with open_view(settings) as view:
        selection = await choose(wish.filter, view)
        page = partial(view.selector.page, selection, needs_answer=wish.needs_you)
        found = _pages(page, limit=wish.limit, before=wish.before)
        is_first = True
        async with aclosing(found):
            async for page in found:
                _print(page, wish.form, is_first=is_first)
                if page.is_last:
                    _tell_the_rest(page, wish, is_first=is_first)
                is_first = False


async def _pages(
    page: "Callable[..., Awaitable[list[TaskSummary]]]",
    *,
    limit: int | None,
    before: TaskId | None,
) -> AsyncGenerator[_Page]:
    """Yield the newest `limit` tasks that fit, all of them if None; with `before`, older ones."""
    left, first = limit, before
    while True:
        size = PAGE if left is None else min(PAGE, left)
        ask = partial(page, limit=size + 1, before=before)
        # Nothing has been printed before the first page: who then hears of it types it again.
        found = await (ask() if before == first else Outage().outlast(ask))
        tasks, has_older = found[:size], len(found) > size
        left = None if left is None else left - len(tasks)
        is_last = not has_older or left == 0
        yield _Page(tasks=tasks, is_last=is_last, has_older=has_older)
        if is_last:
            return
        before = tasks[-1].id


def next_command(words: Sequence[str], before: TaskId) -> str:
    """Return the command line that shows what comes after `before`."""
    kept: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--before":
            words = words[1:]
        elif not word.startswith("--before="):
            kept.append(word)
    return shlex.join(["hive", *kept, "--before", str(before)])


def _print(page: _Page, form: Form, *, is_first: bool) -> None:
    match form:
        case Form.IDS:
            lines = [str(task.id) for task in page.tasks]
        case Form.JSON:
            lines = _json_lines(page, is_first=is_first)
        case Form.TABLE:
            lines = _table_lines(page.tasks) if page.tasks else []
        case _:
            assert_never(form)
    if lines:
        show("\n".join(lines))


def _tell_the_rest(page: _Page, wish: Wish, *, is_first: bool) -> None:
    if page.has_older:
        say(f"older ones: {next_command(wish.words, page.tasks[-1].id)}")
    elif is_first and not page.tasks and wish.form is Form.TABLE:
        is_any = wish.filter.is_empty and wish.before is None and not wish.needs_you
        say("no tasks yet; try: hive run -- uname -a" if is_any else "no task fits")


def _json_lines(page: _Page, *, is_first: bool) -> list[str]:
    texts = [textwrap.indent(as_json(_plain(task), indent=2), "  ") for task in page.tasks]
    lines = [f"{text}," for text in texts[:-1]] + [
        text if page.is_last else f"{text}," for text in texts[-1:]
    ]
    return ["["] * is_first + lines + ["]"] * page.is_last


def _plain(task: "TaskSummary") -> dict[str, Any]:
    fields = asdict(task)
    del fields["now"]
    took = _took(task)
    return fields | {
        "age_seconds": (task.now - task.created_at).total_seconds(),
        "took_seconds": None if took is None else took.total_seconds(),
    }


def _table_lines(tasks: Sequence["TaskSummary"]) -> list[str]:
    rows: list[dict[str, str]] = [dict(zip(HEADS, _cells(task), strict=True)) for task in tasks]
    heads: list[str] = [h for h in HEADS if h not in OPTIONAL or any(row[h] for row in rows)]
    cells = [[row[head] or "-" for head in heads] for row in rows]
    return narrowed_lines(heads, cells, texts=TEXTS, numbers=NUMBERS)


def _cells(task: "TaskSummary") -> list[str]:
    took = _took(task)
    return [
        str(task.id),
        task.state,
        task.kind,
        task.queue,
        show_roughly((task.now - task.created_at).total_seconds()),
        str(task.attempt),
        "" if took is None else show_seconds(took.total_seconds()),
        task.group or "",
        _needs(task),
        "" if task.state in WAITING_STATES else task.worker_host or "",
        _why(task),
    ]


def _why(task: "TaskSummary") -> str:
    """Return why the task waits, if that is not for its turn in its queue, or what went wrong."""
    if task.asked_at is not None:
        return f"asks: {task.error}"
    if task.parked_reason is not None:
        return parked_in_words(task.parked_reason, task.run_at)
    match task.blocked_by:
        case None:
            return task.error or ""
        case "tasks":
            return "waits for tasks that it comes after"
        case "key":
            return f"waits for the turn of its key {task.key}"
        case limit:
            return f"waits for limit {limit}"


def _needs(task: "TaskSummary") -> str:
    slots = [counted(task.slots, "slot")] if task.slots > 1 else []
    return ",".join([*slots, *task.needs])


def _took(task: "TaskSummary") -> timedelta | None:
    """Return how long its last attempt ran, so far if it still does; None if none is begun."""
    if task.started_at is None or task.state in WAITING_STATES:
        return None
    if task.state in TERMINAL_STATES and task.finished_at is not None:
        return task.finished_at - task.started_at
    return max(timedelta(0), task.now - task.started_at)
