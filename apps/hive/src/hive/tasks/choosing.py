"""What the options of a filter mean: which tasks they choose."""

from enum import StrEnum
from typing import TypeVar

from hive.filters import Filter
from hive.moments import moment_of, read_when
from hive.settings import nearest
from hive.tasks.reaching import View
from hive_contracts.errors import ConfigurationError
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState

__all__ = ["check", "choose", "read_states", "read_words"]

WordT = TypeVar("WordT", bound=StrEnum)


def check(given: Filter) -> None:
    """Refuse what cannot be meant, before anything is looked at.

    Raises:
        ConfigurationError: a state is unknown, or a moment cannot be read.
    """
    read_states(given.state)
    for flag, text in (("--since", given.since), ("--until", given.until)):
        if text is not None:
            read_when(text, flag=flag)


async def choose(
    given: Filter, view: View, *, states: frozenset[TaskState] = frozenset()
) -> Selection:
    """Return the selection that `given` describes.

    Args:
        given: what was typed; `check` has passed it.
        view: of the Hive, whose clock tells how long ago something was.
        states: those to choose if `given` names none; empty for all.
    """
    now = await view.onlooker.now()
    since, until = (
        None if text is None else moment_of(read_when(text, flag=flag), now=now, flag=flag)
        for flag, text in (("--since", given.since), ("--until", given.until))
    )
    return Selection(
        states=read_states(given.state) or states,
        queue=given.queue,
        kind=given.kind,
        group=given.group,
        key=given.key,
        created_from=since,
        created_before=until,
    )


def read_states(text: str | None) -> frozenset[TaskState]:
    """Return the states that `text` names, with commas between them; none if it is None.

    Raises:
        ConfigurationError: one of them is no state; the message names those there are.
    """
    return read_words(text, TaskState, flag="--state", noun="state")


def read_words(text: str | None, known: type[WordT], *, flag: str, noun: str) -> frozenset[WordT]:
    """Return which of the `known` words `text` names, with commas between them; none if it is None.

    Raises:
        ConfigurationError: one of them is unknown; the message names those there are.
    """
    words = [] if text is None else [word.strip() for word in text.split(",")]
    for word in words:
        if word not in frozenset(known):
            raise ConfigurationError(
                f"{flag} {word!r} is no {noun}{nearest(word, known)};"
                f" {flag[2:]}s: {', '.join(known)}"
            )
    return frozenset(map(known, words))
