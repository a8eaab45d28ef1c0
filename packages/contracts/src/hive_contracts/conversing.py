"""How people speak with an attempt that runs: what they say to it, and what it shows them.

Nothing of this is in the store. What an attempt prints is durable as any output is; what travels
here is a copy of it for those who watch, and what they type. Whoever speaks has one thing under
way at a time and says it again until it is answered, so that a lost message costs time and no
keystroke is doubled.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from hive_contracts.ids import TaskId

__all__ = [
    "BUSY",
    "NO_TERMINAL",
    "TAKEN",
    "Answer",
    "Conversation",
    "Heard",
    "Hearing",
    "Said",
    "Shown",
    "Switchboard",
    "WindowSize",
]


@dataclass(frozen=True, slots=True)
class WindowSize:
    """How large a terminal is."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something that is said to the attempt of a task that runs."""

    task_id: TaskId
    speaker: str
    """Who says it: a name of its own for each that speaks."""

    number: int
    """From 1 up in the order in which it is said; said again under the same number."""

    data: bytes = b""
    """What to read from now on."""

    is_end: bool = False
    """Whether nothing more will come to be read."""

    window: WindowSize | None = None
    """How large the speaker's terminal is; None to leave it as it is."""

    watches: bool = False
    """Whether to be shown what is printed, for some seconds from now."""

    shown_from: int | None = None
    """From which byte on to show what was printed; None from where all others are shown it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes of what was said."""

    refusal: str | None = None
    """Why it will never be taken; None if it was, or may be later."""

    is_busy: bool = False
    """Whether there is no room for it now; it may be said again."""


TAKEN: Final = Answer()
BUSY: Final = Answer(is_busy=True)
NO_TERMINAL: Final = Answer(refusal="it has no terminal; `hive logs -f` shows what it prints")
"""To who wants to watch what cannot be watched."""

Hearing: TypeAlias = Callable[[Said], Answer]
"""Takes what is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The answer to what was said."""

    task_id: TaskId
    speaker: str
    number: int
    conversation: str
    """Who answers: a name of its own for each run of an attempt."""

    answer: Answer = TAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an attempt has printed, for those who watch."""

    task_id: TaskId
    conversation: str
    position: int
    """Which byte of its standard output the first one is: the same as in the store."""

    data: bytes


class Conversation(Protocol):
    """What an attempt shows to those who watch."""

    def show(self, data: bytes) -> None:
        """Show what was printed next, soon; the last of it is remembered for who comes later."""
        ...


class Switchboard(Protocol):
    """Connects people with attempts of this worker."""

    def open(
        self, task_id: TaskId, hear: Hearing, *, position: int
    ) -> AbstractAsyncContextManager[Conversation]:
        """Let people speak with an attempt of a task until the context closes.

        Args:
            task_id: which task.
            hear: takes what they say.
            position: how many bytes of standard output the attempt has written before.
        """
        ...
