"""A Hive of its own for as long as something is performed on it, and nothing left afterwards.

    directory -> servers, queen, workers -> the performance -> everything down -> sweep

Whatever ends it, a Ctrl-C at any moment included, everything that it started is stopped and its
directory removed. If it is killed itself, what it started dies with it, and the next demonstration
removes the directory.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from hive.demonstration.curtain import Curtain
from hive.demonstration.leftovers import LOCK, PREFIX, wait_for_leftovers
from hive.demonstration.progress import Progress, shown_progress
from hive.demonstration.stage import demonstration_settings, plan_of
from hive.endings import leaves_of
from hive.printing import say
from hive.settings import Settings
from hive.supervisor import Supervisor
from hive_contracts.clocks import BootClock
from hive_contracts.errors import HiveError
from hive_process.kernel import become_subreaper
from hive_services.scratch import remove_abandoned_directories

__all__ = ["Performance", "Performed", "on_stage"]

T = TypeVar("T")
Performance = Callable[[Settings, Progress], Awaitable[T]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed(Generic[T]):
    """What was performed, and what is left of it."""

    result: T
    left: list[int]
    """Processes that did not go."""

    directories_left: int
    wall_seconds: float


async def on_stage(perform: Performance[T], *, settings: str = "") -> Performed[T] | None:
    """Perform; return what came of it with everything down again, or None if a signal ended it.

    Args:
        perform: what is done, once everything is up.
        settings: TOML beside the settings that every demonstration has; {place} is its directory.

    Raises:
        ConfigurationError: servers cannot be run here.
        ServiceUnavailableError: a server did not start.
    """
    clock = BootClock()
    began_at = clock.seconds()
    become_subreaper()
    remove_abandoned_directories(PREFIX, lock=LOCK)
    data_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
    more = settings.replace("{place}", str(data_dir))
    curtain = Curtain(data_dir)
    with curtain.minded():
        try:
            with shown_progress() as progress:
                result = await _perform(data_dir, perform, more, progress, curtain)
            left = await wait_for_leftovers(data_dir)
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)
    if not result or curtain.was_called:
        rest = f"processes {left} are left" if left else "nothing of it is left"
        say(f"hive: the demonstration was interrupted; {rest}")
        return None
    return Performed(
        result=result[0],
        left=left,
        directories_left=_count(data_dir),
        wall_seconds=clock.seconds() - began_at,
    )


async def _perform(
    data_dir: Path, perform: Performance[T], more: str, progress: Progress, curtain: Curtain
) -> list[T]:
    """Return what came of it, with everything down again; nothing if a signal ended it."""
    results: list[T] = []
    try:
        async with asyncio.TaskGroup() as group:
            progress.note("starting Postgres, Redis, a queen and two workers ...")
            settings, is_up = demonstration_settings(data_dir, more), asyncio.Event()
            supervisor = Supervisor(
                plan_of(settings), report=lambda _: None, on_up=lambda _: is_up.set()
            )
            keeping = group.create_task(supervisor.run())
            # The supervisor listens for signals once it runs, and for none once it has ended.
            await asyncio.sleep(0)
            curtain.listen()
            keeping.add_done_callback(lambda _: curtain.listen())
            try:
                await is_up.wait()
                results.append(await perform(settings, progress))
            finally:
                curtain.fall()
                keeping.cancel()
    except (asyncio.CancelledError, BaseExceptionGroup) as error:
        main = asyncio.current_task()
        await curtain.heed()
        if not curtain.was_called or main is None or not _comes_of_a_signal(error):
            raise
        main.uncancel()
    return results


def _comes_of_a_signal(error: BaseException) -> bool:
    """Return whether a signal explains it; what was just being started may have died of a Ctrl-C.

    For a moment between fork and setsid it is in the foreground of the terminal, too.
    """
    if not isinstance(error, BaseExceptionGroup):
        return True
    group = cast("BaseExceptionGroup[BaseException]", error)
    return all(isinstance(leaf, HiveError) for leaf in leaves_of(group))


def _count(place: Path) -> int:
    return int(place.exists())
