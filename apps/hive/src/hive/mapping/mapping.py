"""`hive map`: a command for each line, watched to the end of the last; what Ctrl-C means meanwhile.

first Ctrl-C     detach: what is in goes on, nobody watches
second, soon     cancel what has not ended, and watch it end
third            detach all the same

Lines that are not in at the first Ctrl-C stay out, and how to go on with them is told.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hive.acting.cancelling import call_off
from hive.endings import leaves_of
from hive.mapping.watcher import Watcher
from hive.panel import Panel
from hive.printing import say
from hive.standard_output import UnwritableOutputError
from hive.submitting.checking import Checked
from hive.submitting.feeding import Feeder, UnsureError
from hive.submitting.groups import command_to_go_on
from hive.submitting.intake import Intake, Standing
from hive.submitting.lines import LineReader, LineSource, RefusedLineError
from hive.tasks.interrupts import SECOND_CTRL_C_SECONDS, Interrupts
from hive.tasks.outages import outlast
from hive.tasks.reaching import Reach
from hive_contracts.errors import HiveError

__all__ = ["Lines", "Mapping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Where the tasks come from."""

    source: LineSource
    reader: LineReader
    words: Sequence[str]
    """What was typed after `hive`."""

    command: Sequence[str]
    """The last of them: what is to be run."""


class Mapping:
    """One run of `hive map`: from lines, or of a group that is in already."""

    def __init__(
        self,
        reach: Reach,
        group: str,
        watcher: Watcher,
        panel: Panel,
        *,
        jobs: int | None,
        is_there: bool,
    ) -> None:
        """Make one.

        Args:
            reach: the Hive.
            group: what the tasks are called together.
            watcher: watches them.
            panel: shows how far they are.
            jobs: most tasks at once; None for as many as workers have room for.
            is_there: whether the group has tasks already.
        """
        self._reach = reach
        self._group = group
        self._watcher = watcher
        self._panel = panel
        self._jobs = jobs
        self._is_there = is_there
        self._feeder = Feeder(reach.view)
        self._intake: Intake | None = None
        self._lines: Lines | None = None
        self._taken_in = asyncio.Event()
        self._interrupts = Interrupts()
        self.was_called_off = False
        self.is_detached = False
        self.has_come_to_nothing = False
        """Whether a Ctrl-C came before any line was in, of a group that has no other task."""

    @property
    def accepted(self) -> int:
        """How many tasks went in."""
        return self._feeder.accepted

    @property
    def is_all_in(self) -> bool:
        """Whether no line was left out."""
        return self._intake is None or not self._intake.is_cut_short

    async def run(self, lines: Lines | None, checked: Checked | None) -> None:
        """Take the lines in, if there are any, and watch the group to its end, or to a Ctrl-C.

        Args:
            lines: where further tasks come from.
            checked: what is known of the lines, if they are a file's.

        Raises:
            UnwritableOutputError: nobody reads the outputs.
            HiveError: the lines could not all be taken in; what is in has been told.
        """
        errors: list[HiveError] = []
        if lines is not None:
            await self._feeder.begin()
            self._lines = lines
            self._intake = Intake(
                lines.source,
                lines.reader,
                self._feeder,
                checked=checked,
                on_accepted=self._watcher.add,
            )
        try:
            with self._interrupts.heard():
                await self._work()
        except* HiveError as found:
            errors += [leaf for leaf in leaves_of(found) if isinstance(leaf, HiveError)]
        finally:
            self._panel.erase()
        if errors:
            self._tell_why_it_stopped(errors[0])
            raise errors[0]

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watcher.run())
            taking = group.create_task(self._take_in())
            minding = group.create_task(self._mind(watching, taking))
            watching.add_done_callback(lambda _: minding.cancel())

    async def _take_in(self) -> None:
        if self._intake is not None:
            await self._intake.run()
        self._watcher.close()
        self._taken_in.set()

    async def _mind(self, watching: "asyncio.Task[None]", taking: "asyncio.Task[None]") -> None:
        await self._interrupts.take()
        self._panel.erase()
        if self._intake is not None and not self._taken_in.is_set():
            self._intake.stop()
            await self._taken_in.wait()
            if not (self._feeder.accepted or self._is_there):
                say(f"\nhive: interrupted; {self._standing()}")
                self.has_come_to_nothing = True
                watching.cancel()
                return
        if not self.is_all_in:
            say(f"\nhive: not all lines are in; {self._standing()}")
            self._tell_how_to_go_on(self._feeder.last_line + 1)
        self._say_good_bye()
        if await self._interrupts.take(within_seconds=SECOND_CTRL_C_SECONDS):
            self.was_called_off = True
            self._panel.note(f"\nhive: cancelling what is left of group {self._group}")
            if not await self._interrupts.take_beside(self._call_off()):
                again = f"`hive cancel --group {self._group}`"
                say(f"\nhive: not all of group {self._group} are cancelled yet; go on with {again}")
            else:
                say(
                    f"\nhive: what is not cancelled yet of group {self._group} has been asked to"
                    f" stop; `hive list --group {self._group}` shows how it does"
                )
        self.is_detached = True
        taking.cancel()
        watching.cancel()

    async def _call_off(self) -> None:
        await call_off(self._reach, await outlast(self._watcher.find_open))

    def _say_good_bye(self) -> None:
        goes_on = "goes on without you"
        if self._jobs is not None:
            goes_on = "ends what it has begun, and begins nothing more without you"
        say(
            f"\nhive: group {self._group} {goes_on}; watch it again with\n"
            f"  {self._to_reattach}\n"
            f"and call it off with `hive cancel --group {self._group}`. Ctrl-C once more within"
            f" {SECOND_CTRL_C_SECONDS:g} seconds cancels it."
        )

    def _tell_why_it_stopped(self, error: HiveError) -> None:
        if isinstance(error, UnwritableOutputError):
            say(f"hive: group {self._group} goes on unseen; watch it with `{self._to_reattach}`")
            return
        if self._lines is None:
            return
        say(f"hive: {self._standing()}")
        if isinstance(error, UnsureError):
            say(error.way_out(self._group))
        if self._feeder.accepted:
            say(f"hive: what is in goes on; watch it with `{self._to_reattach}`")
            is_refusal = isinstance(error, RefusedLineError)
            self._tell_how_to_go_on(error.number if is_refusal else self._feeder.last_line + 1)

    def _tell_how_to_go_on(self, line: int) -> None:
        if self._lines is not None:
            words, command = self._lines.words, self._lines.command
            again = command_to_go_on(words, group=self._group, from_line=line, command=command)
            say(f"hive: go on, with the same input, by\n  {again}")

    @property
    def _to_reattach(self) -> str:
        limit = "" if self._jobs is None else f" --jobs {self._jobs}"
        return f"hive map --reattach {self._group}{limit}"

    def _standing(self) -> Standing:
        return Standing(
            tasks=self._feeder.accepted, last_line=self._feeder.last_line, group=self._group
        )
