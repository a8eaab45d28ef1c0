"""`hive submit --jsonl`: the tasks of a file or a stream, a line each.

A file is looked over whole first, so that a bad line lets nothing in. A stream cannot be: what has
been accepted of it stays, up to the line that is refused.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hive.endings import FAILED, INTERRUPTED, USED_WRONGLY, leaves_of
from hive.panel import Panel
from hive.printing import say, show, show_json
from hive.settings import Settings
from hive.standard_output import UnwritableOutputError
from hive.submitting.checking import Checked, check_file
from hive.submitting.feeding import Feeder, UnsureError
from hive.submitting.followers import submit_followers
from hive.submitting.groups import command_to_go_on
from hive.submitting.intake import Intake, Standing
from hive.submitting.lines import LineSource, RefusedLineError
from hive.submitting.task_lines import TaskLines
from hive.tasks.interrupts import Interrupts
from hive.tasks.reaching import View, open_view
from hive.words import counted
from hive_contracts.clocks import BootClock
from hive_contracts.errors import HiveError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask

__all__ = ["BulkOrder", "submit_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOrder:
    """What `hive submit --jsonl` was asked for."""

    reader: TaskLines
    group: str
    words: Sequence[str]
    """What was typed after `hive`."""

    is_dry: bool
    shows_ids: bool
    as_json: bool
    followers: Sequence[NewTask] = ()
    """What comes after all of the group."""


async def submit_lines(settings: Settings, source: LineSource, order: BulkOrder) -> int:
    """Submit the tasks of `source`, and return the exit code.

    Raises:
        RefusedFileError: lines of the file are refused, and none of its tasks are in.
        ConfigurationError: the source cannot be read.
    """
    panel, checked = Panel(), None
    if source.is_file or order.is_dry:
        checked = await check_file(source, order.reader, panel)
        if order.is_dry:
            tasks = counted(checked.tasks, "task")
            say(f"hive: {source.name}: {tasks}, nothing wrong; none is submitted")
            return 0
        source.rewind()
    async with open_view(settings) as view:
        submission = _Submission(source, order, Feeder(view), panel, checked)
        code = await submission.run()
        if order.followers and not code:
            await _submit_followers(view, order)
    submission.show_what_is_in()
    return code


async def _submit_followers(view: View, order: BulkOrder) -> None:
    ids = await submit_followers(view, order.group, order.followers)
    what = " and ".join(f"task {task_id}" for task_id in ids)
    say(f"hive: {what} {'comes' if len(ids) == 1 else 'come'} after all of group {order.group}")


class _Submission:
    """One source on its way in, and what is told of it."""

    def __init__(
        self,
        source: LineSource,
        order: BulkOrder,
        feeder: Feeder,
        panel: Panel,
        checked: Checked | None,
    ) -> None:
        self._order = order
        self._feeder = feeder
        self._panel = panel
        self._total = f" of {checked.tasks:,}" if checked is not None else ""
        self._source_name = source.name
        self._intake = Intake(
            source, order.reader, feeder, checked=checked, on_accepted=self._take_note
        )
        self._clock = BootClock()
        self._began_at = self._clock.seconds()
        self._is_certain = True

    async def run(self) -> int:
        """Put everything in that may go in; tell how that ended, and return the exit code.

        Raises:
            UnwritableOutputError: nobody reads the ids.
        """
        interrupts, errors = Interrupts(), list[HiveError]()
        await self._feeder.begin()
        try:
            with interrupts.heard():
                async with asyncio.TaskGroup() as group:
                    running = group.create_task(self._intake.run())
                    minding = group.create_task(self._mind(interrupts, running))
                    running.add_done_callback(lambda _: minding.cancel())
        except* HiveError as found:
            errors += [leaf for leaf in leaves_of(found) if isinstance(leaf, HiveError)]
        finally:
            self._panel.erase()
        if errors:
            return self._tell_why_it_stopped(errors[0])
        if self._intake.is_cut_short:
            say(f"hive: interrupted; {self._standing()}")
            self._tell_how_to_go_on(self._feeder.last_line + 1)
            return INTERRUPTED
        self._tell_success()
        return 0

    def show_what_is_in(self) -> None:
        """Print the data: the group, unless ids were asked for and have been printed."""
        if self._order.as_json:
            show_json(
                {
                    "group": self._order.group,
                    "accepted": self._feeder.accepted,
                    "last_line": self._feeder.last_line or None,
                }
            )
        elif self._feeder.accepted and not self._order.shows_ids:
            show(self._order.group)

    async def _mind(self, interrupts: Interrupts, running: "asyncio.Task[None]") -> None:
        await interrupts.take()
        self._intake.stop()
        await interrupts.take()
        self._is_certain = False
        running.cancel()

    def _take_note(self, task_ids: Sequence[TaskId]) -> None:
        if self._order.shows_ids:
            show("\n".join(map(str, task_ids)))
        if self._panel.is_due:
            tasks = self._feeder.accepted
            seconds = max(0.001, self._clock.seconds() - self._began_at)
            self._panel.draw(
                [f"hive: {tasks:,}{self._total} tasks are in, {tasks / seconds:,.0f}/s"]
            )

    def _tell_success(self) -> None:
        count, group = self._feeder.accepted, self._order.group
        if not count:
            say(f"hive: {self._source_name} has no tasks; nothing to do")
            return
        say(
            f"hive: {counted(count, 'task is', 'tasks are')} in, group {group};"
            f" watch with `hive map --reattach {group}`, or see `hive list --group {group}`"
        )

    def _tell_why_it_stopped(self, error: HiveError) -> int:
        say(f"hive: {error}; {self._standing()}")
        next_line = self._feeder.last_line + 1
        if isinstance(error, RefusedLineError):
            next_line = error.number
        if isinstance(error, UnsureError):
            say(error.way_out(self._order.group))
        if self._feeder.accepted or isinstance(error, UnsureError):
            self._tell_how_to_go_on(next_line)
        if isinstance(error, UnwritableOutputError):
            raise error
        if self._intake.is_cut_short:
            return INTERRUPTED
        return USED_WRONGLY if isinstance(error, UsageError) else FAILED

    def _tell_how_to_go_on(self, line: int) -> None:
        command = command_to_go_on(self._order.words, group=self._order.group, from_line=line)
        say(f"hive: go on, with the same input, by\n  {command}")

    def _standing(self) -> Standing:
        return Standing(
            tasks=self._feeder.accepted,
            last_line=self._feeder.last_line,
            group=self._order.group,
            is_certain=self._is_certain,
        )
