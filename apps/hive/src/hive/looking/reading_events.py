"""The event log for people and programs: what happened and, if they stay, what happens.

The bus only says when to look. What is printed comes from the log, by cursor, so that losing Redis
or Postgres for a while delays it and loses nothing.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from hive.looking.event_lines import cursor_from, show_cursor
from hive.looking.holdups import HoldupWatch
from hive.looking.log_reader import LogReader
from hive.looking.sieve import Sieve
from hive.moments import read_when
from hive.printing import say
from hive.settings import Settings
from hive.tasks.hints import heard_hints, next_hint
from hive.tasks.outages import Outage
from hive.tasks.reaching import Reach, View, open_reach, open_view
from hive_bus.gap import Gap
from hive_contracts.errors import StoreUnavailableError

__all__ = ["Question", "print_events"]

LOOK_SECONDS: Final = 0.5
"""How long a hint that is lost can delay an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `hive events` was asked for."""

    since: str | None
    """A moment, how long ago, or a cursor; None for the last events."""

    sieve: Sieve
    limit: int
    """How many of the last events."""

    is_following: bool
    is_json: bool


async def print_events(settings: Settings, question: Question) -> None:
    """Print what the log holds and then, if that is wanted, what is added to it, for ever.

    Raises:
        ConfigurationError: `since` cannot be read.
        UnknownTaskError: there is no such task.
    """
    if question.since is not None and cursor_from(question.since) is None:
        read_when(question.since, flag="--since")
    if not question.is_following:
        async with open_view(settings) as view:
            reader = await _begun(view, question)
            while question.since is not None and await reader.read_on():
                pass
        return
    async with open_reach(settings) as reach:
        reader = await Outage().outlast(partial(_begun, reach.view, question))
        try:
            await _follow(reach, reader)
        except asyncio.CancelledError:
            say(f"\nhive: to go on from here, add --since {show_cursor(reader.cursor)}")
            raise


async def _begun(view: View, question: Question) -> LogReader:
    """Return a reader at the place where it begins; without `since` behind the last, printed ones.

    Raises:
        StoreUnavailableError: Postgres did not answer; nothing was printed.
    """
    reader = LogReader(view, question.sieve, is_json=question.is_json)
    task_id = question.sieve.task_id
    if task_id is not None:
        await reader.check_task(task_id)
    if question.since is None:
        if task_id is None:
            await reader.print_last(question.limit)
        else:
            await reader.print_all_of(task_id)
        return reader
    cursor = cursor_from(question.since)
    if cursor is not None:
        reader.cursor = cursor
    else:
        await reader.begin_at(read_when(question.since, flag="--since"))
    return reader


async def _follow(reach: Reach, reader: LogReader) -> None:
    outage, holdups = Outage(), HoldupWatch(reach.view.events)
    async with heard_hints(reach) as hints:
        while True:
            try:
                while await reader.read_on():
                    pass
                await holdups.look_if_due()
            except StoreUnavailableError as error:
                await outage.sit_out(error)
                continue
            outage.note_that_it_answers()
            hint = await next_hint(hints, within_seconds=LOOK_SECONDS)
            if reach.bus_outage is not None and isinstance(hint, Gap):
                await reach.bus_outage.look()
