"""Which tasks a command shall act on: those that are named, or all that a filter finds.

They are found before anything is done, so that a person is asked about exactly the tasks that will
be acted on, and not about those that come in the meantime. An id takes eight bytes here.
"""

from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from hive.filters import Filter
from hive.panel import Panel
from hive.settings import Settings
from hive.standard_input import read_standard_input
from hive.tasks.choosing import check, choose, read_states
from hive.tasks.reaching import View, open_view
from hive.words import counted
from hive_contracts.errors import ConfigurationError, StoreUnavailableError, UsageError
from hive_contracts.ids import LAST_TASK_ID, TaskId
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState

__all__ = ["Target", "batches", "find", "fitting", "read_target"]

BATCH: Final = 1000
MOST_DIGITS: Final = 4000
"""Python reads no number of over 4,300."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the command line names: some ids, or a filter; never both."""

    task_ids: Sequence[TaskId]
    filter: Filter


def read_target(words: Sequence[str], given: Filter, *, verb: str) -> Target:
    """Return what is named; `-` among the words stands for ids on standard input.

    Raises:
        ConfigurationError: nothing is named, ids as well as a filter, or what is no id.
        UsageError: ids are to be read, and standard input is closed.
    """
    if words and not given.is_empty:
        raise ConfigurationError(
            f"ids and filters do not mix: {verb} {words[0]}, or what the filter finds"
        )
    if not words and given.is_empty:
        raise ConfigurationError(
            f"name what to {verb}: ids, or one or more of --state, --queue, --kind, --group,"
            " --key, --since and --until"
        )
    check(given)
    texts = (text for word in words for text in _texts(word))
    return Target(list(dict.fromkeys(map(_task_id, texts))), given)


async def find(
    settings: Settings, given: Filter, states: Collection[TaskState]
) -> Sequence[TaskId]:
    """Return the tasks that a filter finds, newest first.

    Args:
        settings: which Hive.
        given: the filter.
        states: those it may find tasks in; it finds them in all of these unless it names states.

    Raises:
        ConfigurationError: it names another state.
        UsageError: it names a group that no task has.
    """
    for state in sorted(read_states(given.state)):
        if state not in states:
            possible = ", ".join(s for s in TaskState if s in states)
            raise ConfigurationError(f"--state {state} cannot be meant here; possible: {possible}")
    async with open_view(settings) as view:
        selection = await choose(given, view, states=frozenset(states))
        found = await _collect(view, selection)
        if not found and given.group and not await view.selector.count_group(given.group):
            raise UsageError(f"no task has group {given.group!r}")
    return found


async def fitting(
    settings: Settings, task_ids: Sequence[TaskId], states: Collection[TaskState]
) -> Sequence[TaskId]:
    """Return those of the tasks that are in one of `states` now."""
    found: list[TaskId] = []
    async with open_view(settings) as view:
        for batch in batches(task_ids):
            known = await view.tasks.states([i for i in batch if i <= LAST_TASK_ID])
            found += [task_id for task_id in batch if known.get(task_id) in states]
    return found


def batches(task_ids: Sequence[TaskId]) -> Iterator[list[TaskId]]:
    """Yield the tasks in parts, none of which is too much for one statement."""
    for at in range(0, len(task_ids), BATCH):
        yield list(task_ids[at : at + BATCH])


async def _collect(view: View, selection: Selection) -> Sequence[TaskId]:
    found: array[int] = array("q")
    panel = Panel()
    try:
        async for page in view.selector.pages_of_ids(selection):
            found.extend(page)
            if panel.is_due:
                panel.draw([f"hive: found {counted(len(found), 'task')}"])
    except StoreUnavailableError:
        if found:
            panel.note("hive: nothing has been done yet; the same command once more begins anew")
        raise
    panel.erase()
    return cast("Sequence[TaskId]", found)


def _texts(word: str) -> list[str]:
    # What is no ASCII is no id, and told as one; in the terminal's encoding it could be unreadable.
    return read_standard_input().decode("ascii", "replace").split() if word == "-" else [word]


def _task_id(text: str) -> TaskId:
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise ConfigurationError(f"{text!r} is no task's id; an id is a whole number")
    return TaskId(int(text))
