"""Add schedules and change them, and say what came of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Final

from hive.acting_for import actor_of
from hive.printing import say, show, show_json
from hive.scheduling.saying import SaidSchedule, schedule_of
from hive.scheduling.showing import (
    list_lines,
    moment_lines,
    plain,
    plain_moments,
    portrait_lines,
)
from hive.settings import Settings
from hive.tasks.kinds import KindCheck
from hive.tasks.reaching import open_view
from hive_client.schedules import Schedules
from hive_contracts.tasks import NewTask

__all__ = [
    "add_schedule",
    "list_schedules",
    "remove_schedule",
    "run_schedule",
    "set_paused",
    "show_next",
    "show_schedule",
]

TICKS_SHOWN: Final = 10


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[Schedules]:
    async with open_view(settings) as view:
        yield Schedules(view.schedules, actor=actor_of(settings))


async def add_schedule(
    settings: Settings,
    spoken: SaidSchedule,
    task: NewTask,
    *,
    is_forced: bool,
    replaces: bool,
    as_json: bool,
) -> None:
    """Add a schedule, and say when it falls due.

    Raises:
        UnknownKindError: the kind is not installed here, and that was not to be forced.
        MalformedPayloadError: its kind refuses the payload.
        RefusedScheduleError: it may not be added as it stands.
    """
    new = schedule_of(spoken, task)
    KindCheck(is_forced=is_forced).check(task)
    async with _opened(settings) as schedules:
        added = await schedules.add(
            new.name,
            new.when,
            new.task,
            missed=new.missed,
            max_missed=new.max_missed,
            overlap=new.overlap,
            spread=new.spread,
            replace=replaces,
        )
    if as_json:
        show_json(plain(added))
        return
    show(added.name)
    coming = moment_lines(added, count=1)
    paused = "; it is paused" if added.paused_at else ""
    say(f"hive: next tick {coming[0]}{paused}" if coming else "hive: it never falls due")


async def list_schedules(settings: Settings, *, as_json: bool) -> None:
    """Print all schedules."""
    async with _opened(settings) as schedules:
        found = [schedule async for schedule in schedules.all()]
    if as_json:
        show_json([plain(schedule) for schedule in found])
    elif found:
        show("\n".join(list_lines(found)))
    else:
        say("no schedules yet; try: hive schedule add hello --every 1m -- echo hello")


async def show_schedule(settings: Settings, name: str, *, is_full: bool, as_json: bool) -> None:
    """Print everything about one schedule."""
    async with _opened(settings) as schedules:
        schedule = await schedules.show(name)
        ticks = await schedules.ticks(name, limit=TICKS_SHOWN)
    if as_json:
        show_json(plain(schedule) | {"ticks": [asdict(tick) for tick in ticks]})
        return
    show("\n".join(portrait_lines(schedule, ticks, is_full=is_full)))


async def set_paused(settings: Settings, name: str, *, is_paused: bool) -> None:
    """Pause or resume a schedule, and say what that means."""
    async with _opened(settings) as schedules:
        has_changed = await (schedules.pause(name) if is_paused else schedules.resume(name))
        schedule = await schedules.show(name)
    if not has_changed:
        say(f"hive: {name} {'was paused already' if is_paused else 'was not paused'}")
    elif is_paused:
        say(f"hive: {name} submits nothing until `hive schedule resume {name}`")
    else:
        coming = moment_lines(schedule, count=1)
        say(f"hive: {name} goes on, {coming[0]}" if coming else f"hive: {name} is over")


async def remove_schedule(settings: Settings, name: str) -> None:
    """Remove a schedule."""
    async with _opened(settings) as schedules:
        await schedules.remove(name)
    say(f"hive: {name} is removed; its tasks stay, see `hive list --group {name}`")


async def run_schedule(settings: Settings, name: str, *, as_json: bool) -> None:
    """Submit a schedule's task now, and print the task's id."""
    async with _opened(settings) as schedules:
        task_id = await schedules.run(name)
    if as_json:
        show_json({"id": task_id})
        return
    show(str(task_id))
    say(f"hive: see how it does with `hive show {task_id}`, its output with `hive logs {task_id}`")


async def show_next(settings: Settings, name: str, *, count: int, as_json: bool) -> None:
    """Print the next moments at which a schedule falls due."""
    async with _opened(settings) as schedules:
        schedule = await schedules.show(name)
    if as_json:
        show_json(plain_moments(schedule, count=count))
        return
    if lines := moment_lines(schedule, count=count):
        show("\n".join(lines))
    if schedule.paused_at or not lines:
        reason = "is paused" if schedule.paused_at else schedule.fault or "is over"
        say(f"hive: {name} {reason}")
