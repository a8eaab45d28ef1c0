"""Send something to be read by a task that runs, and return once it is taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hive.acting_for import actor_of
from hive.settings import Settings
from hive.talking.caller import Caller, UnansweredError, open_caller
from hive.talking.keys import bytes_of
from hive.talking.partners import (
    bus_of,
    check_that_it_has_not_ended,
    why_silent,
)
from hive.tasks.reaching import Reach, open_reach
from hive.tasks.speech import has_open_input, has_terminal
from hive_contracts.conversing import NO_TERMINAL
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId
from hive_contracts.tasks import TaskRecord
from hive_store.deeds import Deed

__all__ = ["Message", "send"]

AT_ONCE_BYTES: Final = 16 * 1024
PATIENCE_SECONDS: Final = 10.0
"""A task that was just submitted may take a moment to begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be read, in this order."""

    data: bytes = b""
    keys: tuple[str, ...] = ()
    is_end: bool = False


async def send(settings: Settings, number: int, message: Message) -> None:
    """Have a task read a message; return once its worker has taken all of it.

    Raises:
        UnknownTaskError: there is no such task.
        UsageError: it has ended, or was not submitted with anything that could be read from.
        UnansweredError: nobody has answered for it; what came before may have been read.
    """
    task_id = TaskId(number)
    async with open_reach(settings) as reach:
        bus = bus_of(reach)
        record = await reach.view.tasks.read(task_id)
        check_that_it_has_not_ended(record)
        if not has_open_input(record):
            raise UsageError(
                f"task {task_id} reads nothing that could be sent to it; submit such tasks with"
                " --stdin open, or with --pty"
            )
        async with open_caller(bus, task_id) as caller:
            is_terminal = bool(message.keys) and await _has_terminal(reach, caller, record)
            keys = [bytes_of(key, has_terminal=is_terminal) for key in message.keys]
            data = b"".join((message.data, *keys))
            details = {"bytes": len(data), "is_end": message.is_end}
            deed = Deed(actor=actor_of(settings), what="send", target=str(task_id), details=details)
            # Before the deed, which may be interrupted.
            await reach.view.record(deed)
            await _send(reach, caller, task_id, data, is_end=message.is_end)


async def _has_terminal(reach: Reach, caller: Caller, record: TaskRecord) -> bool:
    """Return whether a task has a terminal; of a sealed one its worker says so."""
    if (known := has_terminal(record)) is not None:
        return known
    try:
        heard = await caller.say(watches=True, within_seconds=PATIENCE_SECONDS)
    except UnansweredError:
        raise UnansweredError(await why_silent(reach, record.id)) from None
    return heard.answer != NO_TERMINAL


async def _send(
    reach: Reach, caller: Caller, task_id: TaskId, data: bytes, *, is_end: bool
) -> None:
    taken, conversation = 0, None
    for piece in _pieces(data):
        is_last = taken + len(piece) == len(data)
        try:
            heard = await caller.say(
                piece, is_end=is_end and is_last, within_seconds=PATIENCE_SECONDS
            )
        except UnansweredError:
            why = await why_silent(reach, task_id)
            raise UnansweredError(f"{_taken(taken, data)}{why}") from None
        if heard.answer.refusal is not None:
            raise UsageError(f"{_taken(taken, data)}task {task_id}: {heard.answer.refusal}")
        if conversation not in (None, heard.conversation):
            raise UsageError(f"{_taken(taken, data)}task {task_id} has begun again meanwhile")
        conversation = heard.conversation
        taken += len(piece)


def _pieces(data: bytes) -> Iterator[bytes]:
    # Nothing at all is said too: it may be the end.
    for place in range(0, max(1, len(data)), AT_ONCE_BYTES):
        yield data[place : place + AT_ONCE_BYTES]


def _taken(taken: int, data: bytes) -> str:
    return f"{taken:,} of {len(data):,} bytes were taken; " if taken else ""
