"""The event log for people and programs: what happened and, if they stay, what happens.

The bus only says when to look. What is printed comes from the log, by cursor, so that losing Redis
or Postgres for a while delays it and loses nothing.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from hive.looking.holdups import HoldupWatch
from hive.looking.log_reader import LogReader
from hive.looking.sieve import Sieve
from hive.moments import read_when
from hive.printing import as_json, say, show
from hive.settings import Settings
from hive.tasks.hints import heard_hints, next_hint
from hive.tasks.outages import Outage
from hive.tasks.reaching import Reach, View, open_reach, open_view
from hive_bus.gap import Gap
from hive_contracts.errors import ConfigurationError, StoreUnavailableError
from hive_contracts.events import Cursor

__all__ = ["Question", "print_events"]

LOOK_SECONDS: Final = 0.5
"""How long a hint that is lost can delay an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What `hive events` was asked for."""

    since: str | None
    """A moment, or how long ago; None, and no cursor, for the last events."""

    until: str | None
    cursor: str | None
    """Where a reader has stopped."""

    sieve: Sieve
    limit: int
    """How many of the last events."""

    is_following: bool
    is_json: bool
    shows_cursor: bool
    """Whether to print where the next reader goes on."""

    @property
    def is_of_the_last(self) -> bool:
        """Whether it is for the last events alone."""
        return self.since is None and self.cursor is None


async def print_events(settings: Settings, question: Question) -> None:
    """Print what the log holds and then, if that is wanted, what is added to it, for ever.

    Raises:
        ConfigurationError: the question contradicts itself, or a part of it cannot be read.
        UnknownTaskError: there is no such task.
        LostEventsError: the log does not hold all that came behind the cursor.
    """
    _check(question)
    if not question.is_following:
        async with open_view(settings) as view:
            reader = await _begun(view, question)
            while not question.is_of_the_last and await reader.read_on():
                pass
        if question.shows_cursor:
            show(_last_line(reader.cursor, is_json=question.is_json))
        return
    async with open_reach(settings) as reach:
        reader = await Outage().outlast(partial(_begun, reach.view, question))
        try:
            await _follow(reach, reader)
        except asyncio.CancelledError:
            say(f"\nhive: to go on from here, add --cursor {reader.cursor}")
            raise


def _check(question: Question) -> None:
    if question.since is not None and question.cursor is not None:
        raise ConfigurationError("--since and --cursor both say where to begin; give one of them")
    if question.is_following and question.until is not None:
        raise ConfigurationError("--follow goes on for ever and --until does not; give one of them")
    if question.is_following and question.shows_cursor:
        raise ConfigurationError(
            "--show-cursor prints the cursor at the end, which --follow does not reach;"
            " with --json each line has one"
        )
    if question.cursor is not None:
        _read_cursor(question.cursor)
    for flag, text in (("--since", question.since), ("--until", question.until)):
        if text is not None:
            read_when(text, flag=flag)


def _read_cursor(text: str) -> Cursor:
    cursor = Cursor.parse(text)
    if cursor is None:
        raise ConfigurationError(
            f"--cursor is {text!r}; write XID:ID as `hive events --json` prints it, or 0:0 for the"
            " beginning"
        )
    return cursor


def _last_line(cursor: Cursor, *, is_json: bool) -> str:
    return as_json({"cursor": str(cursor)}) if is_json else f"-- cursor: {cursor}"


async def _begun(view: View, question: Question) -> LogReader:
    """Return a reader at the place where it begins; else behind the last events, which it printed.

    Raises:
        StoreUnavailableError: Postgres did not answer; nothing was printed.
    """
    reader = LogReader(view, question.sieve, is_json=question.is_json)
    task_id = question.sieve.task_id
    if task_id is not None:
        await reader.check_task(task_id)
    since, until = (
        None if text is None else read_when(text, flag=flag)
        for flag, text in (("--since", question.since), ("--until", question.until))
    )
    await reader.begin(since=since, until=until)
    if question.cursor is not None:
        await reader.go_to(_read_cursor(question.cursor))
    elif since is None:
        if task_id is None:
            await reader.print_last(question.limit)
        else:
            await reader.print_all_of(task_id)
    return reader


async def _follow(reach: Reach, reader: LogReader) -> None:
    outage, holdups = Outage(), HoldupWatch(reach.view.events)
    async with heard_hints(reach) as hints:
        if reach.bus_outage is not None:
            # It may have come back before anybody listened, and then no gap tells of it.
            await reach.bus_outage.look()
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
