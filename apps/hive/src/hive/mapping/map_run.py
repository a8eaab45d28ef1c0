"""`hive map` from beginning to end: look over the input, take it in, watch, tell how it ended."""

from dataclasses import dataclass
from functools import partial

from hive.acting_for import actor_of
from hive.endings import INTERRUPTED
from hive.mapping.ending import Ending, read_ending
from hive.mapping.mapping import Lines, Mapping
from hive.mapping.outlet import PrintedOutputs
from hive.mapping.watcher import Manner, Watcher
from hive.money import read_amounts
from hive.panel import Panel
from hive.printing import say, show_json
from hive.settings import Settings
from hive.submitting.checking import Checked, check_file
from hive.tasks.exit_codes import CANCELLED, DETACHED, NO_EXIT_CODE
from hive.tasks.outages import outlast
from hive.tasks.reaching import open_reach
from hive_contracts.errors import ConfigurationError
from hive_contracts.spending import Budget, BudgetScope

__all__ = ["MapOrder", "run_map"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOrder:
    """What `hive map` was asked for."""

    group: str
    may_have_tasks: bool
    """Whether the group may be one that has tasks already."""

    budget: str | None
    """What the group may spend, as it was typed; None if nothing was said."""

    jobs: int | None
    is_quiet: bool
    keeps_order: bool
    gives_answers: bool
    as_json: bool

    def manner(self, settings: Settings) -> Manner:
        """Return how the group is to be watched."""
        return Manner(
            jobs=self.jobs,
            is_quiet=self.is_quiet or self.as_json,
            keeps_order=self.keeps_order,
            gives_answers=self.gives_answers,
            silence=settings.silence,
        )


async def run_map(settings: Settings, order: MapOrder, lines: Lines | None) -> int:
    """Run a command for each line, or without lines watch a group again; return the exit code.

    Raises:
        ConfigurationError: a file has lines that can be no arguments, or the group is not as it
            must be: one that is new, one that is there, or one whose limit is given.
        HiveError: not all lines could be taken in; what is in has been told.
    """
    budget = None if order.budget is None else _budget(order.group, order.budget)
    panel = Panel()
    checked = await _looked_over(lines, panel)
    if lines is not None and checked is not None and not checked.tasks:
        return _nothing_to_do(lines)
    async with open_reach(settings, tell=panel.note) as reach:
        printed = PrintedOutputs(settings.services.data_dir, order.group)
        watcher = Watcher(reach, order.group, order.manner(settings), panel, printed)
        is_there = await watcher.take_over()
        _see_that_it_may_be_so(order, is_there=is_there, is_wanted=lines is None)
        if budget is not None:
            await reach.view.budgets_of(actor_of(settings)).set(budget)
        mapping = Mapping(reach, order.group, watcher, panel, jobs=order.jobs, is_there=is_there)
        try:
            await mapping.run(lines, checked)
        finally:
            watcher.outlet.remember()
        if mapping.has_come_to_nothing:
            return INTERRUPTED
        if mapping.is_detached:
            return DETACHED if mapping.is_all_in else NO_EXIT_CODE
        if lines is not None and not mapping.accepted and not is_there:
            return _nothing_to_do(lines)
        printed.forget()
        seconds = watcher.gauge.seconds
        ending = await outlast(partial(read_ending, reach.view, order.group, seconds=seconds))
    _tell(ending, as_json=order.as_json)
    if not mapping.is_all_in:
        return NO_EXIT_CODE
    return CANCELLED if mapping.was_called_off else ending.exit_code


def _budget(group: str, amounts: str) -> Budget:
    return read_amounts(Budget(scope=BudgetScope.GROUP, target=group), [amounts], flag="--budget")


async def _looked_over(lines: Lines | None, panel: Panel) -> Checked | None:
    if lines is None or not lines.source.is_file:
        return None
    checked = await check_file(lines.source, lines.reader, panel)
    lines.source.rewind()
    return checked


def _see_that_it_may_be_so(order: MapOrder, *, is_there: bool, is_wanted: bool) -> None:
    if is_wanted and not is_there:
        raise ConfigurationError(f"no task has group {order.group!r}")
    if is_there and not order.may_have_tasks:
        raise ConfigurationError(
            f"group {order.group!r} has tasks already; choose another name, or watch it with"
            f" `hive map --reattach {order.group}`"
        )


def _nothing_to_do(lines: Lines) -> int:
    say(f"hive: {lines.source.name} has no lines; nothing to do")
    return 0


def _tell(ending: Ending, *, as_json: bool) -> None:
    for line in ending.as_lines():
        say(line)
    if as_json:
        show_json(ending.as_plain())
