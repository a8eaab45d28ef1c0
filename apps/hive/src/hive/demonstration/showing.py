"""The demonstration from beginning to end.

    directory -> servers, queen, workers -> tasks, a kill -> check -> everything down -> sweep

Whatever ends it, a Ctrl-C at any moment included, everything that it started is stopped and its
directory removed. If it is killed itself, what it started dies with it, and the next demonstration
removes the directory.
"""

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from hive.demonstration.checking import Findings, check
from hive.demonstration.corpus import BROKEN, standard_library, write_broken_files
from hive.demonstration.curtain import Curtain
from hive.demonstration.expecting import expectations
from hive.demonstration.leftovers import LOCK, PREFIX, wait_for_leftovers
from hive.demonstration.performing import Run, perform
from hive.demonstration.progress import Progress, shown_progress
from hive.demonstration.stage import WORKERS, demonstration_settings, plan_of
from hive.demonstration.summary import Summary
from hive.demonstration.workload import pieces_of
from hive.endings import FAILED, INTERRUPTED, leaves_of
from hive.printing import say, show, show_json
from hive.settings import Settings
from hive.supervisor import Supervisor
from hive.tasks.reaching import open_view
from hive_contracts.clocks import BootClock
from hive_contracts.errors import ConfigurationError, HiveError
from hive_process.kernel import become_subreaper
from hive_services.scratch import remove_abandoned_directories

__all__ = ["give"]

LEAST_TASKS: Final = 2 * len(BROKEN) + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A run that came to its end, and what the check of it found."""

    run: Run
    findings: Findings


async def give(*, tasks: int | None, as_json: bool) -> int:
    """Give the demonstration; return 0 if everything holds, 1 if not, 130 if it was interrupted.

    Raises:
        ConfigurationError: so few tasks show nothing, or servers cannot be run here.
        ServiceUnavailableError: a server did not start.
    """
    if tasks is not None and tasks < LEAST_TASKS:
        raise ConfigurationError(f"--tasks is {tasks}; it must be at least {LEAST_TASKS}")
    clock = BootClock()
    began_at = clock.seconds()
    become_subreaper()
    remove_abandoned_directories(PREFIX, lock=LOCK)
    data_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
    curtain = Curtain(data_dir)
    with curtain.minded():
        try:
            with shown_progress() as progress:
                shown = await _show(data_dir, tasks, progress, curtain)
            left = await wait_for_leftovers(data_dir)
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)
    if shown is None or curtain.was_called:
        rest = f"processes {left} are left" if left else "nothing of it is left"
        say(f"hive: the demonstration was interrupted; {rest}")
        return INTERRUPTED
    summary = _summary(shown, left, data_dir, wall_seconds=clock.seconds() - began_at)
    if as_json:
        show_json(summary.as_plain())
    else:
        show("\n".join(summary.lines()))
    return FAILED if summary.faults() else 0


async def _show(
    data_dir: Path, tasks: int | None, progress: Progress, curtain: Curtain
) -> Shown | None:
    """Return what was shown, with everything down again; None if a signal ended it."""
    shown: Shown | None = None
    try:
        async with asyncio.TaskGroup() as group:
            progress.note("starting Postgres, Redis, a queen and two workers ...")
            settings, is_up = demonstration_settings(data_dir), asyncio.Event()
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
                shown = await _perform_and_check(settings, tasks, progress)
            finally:
                curtain.fall()
                keeping.cancel()
    except (asyncio.CancelledError, BaseExceptionGroup) as error:
        main = asyncio.current_task()
        await curtain.heed()
        if not curtain.was_called or main is None or not _comes_of_a_signal(error):
            raise
        main.uncancel()
    return shown


def _comes_of_a_signal(error: BaseException) -> bool:
    """Return whether a signal explains it; what was just being started may have died of a Ctrl-C.

    For a moment between fork and setsid it is in the foreground of the terminal, too.
    """
    if not isinstance(error, BaseExceptionGroup):
        return True
    group = cast("BaseExceptionGroup[BaseException]", error)
    return all(isinstance(leaf, HiveError) for leaf in leaves_of(group))


async def _perform_and_check(settings: Settings, tasks: int | None, progress: Progress) -> Shown:
    data_dir = settings.services.data_dir
    most = None if tasks is None else (tasks - 2 * len(BROKEN)) // 2
    paths = [*standard_library(most), *write_broken_files(data_dir / "broken")]
    async with open_view(settings) as view:
        pieces = pieces_of(paths)
        progress.note(f"{len(pieces):,} tasks on {len(paths)} files, for {WORKERS} workers")
        run = await perform(view, data_dir, pieces, progress)
        progress.note("all have ended; computing every result directly, to compare ...")
        return Shown(run=run, findings=await check(view, run, await expectations(paths)))


def _summary(shown: Shown, left: list[int], data_dir: Path, *, wall_seconds: float) -> Summary:
    run, findings = shown.run, shown.findings
    waits = findings.waits
    return Summary(
        tasks=len(run.pieces),
        succeeded=findings.succeeded,
        failed_as_expected=findings.failed,
        wrong=findings.wrong,
        killed_worker=run.killed.name if run.killed else None,
        running_when_killed=run.killed.running if run.killed else 0,
        recovered=len(run.ledger.recovered),
        lost=findings.lost,
        sonnet_lines=run.verse.clean_lines,
        ended_meanwhile=run.verse.ended_meanwhile,
        lag_p50_ms=run.verse.lag_p50_ms,
        lag_p99_ms=run.verse.lag_p99_ms,
        lag_most_ms=run.verse.lag_most_ms,
        accepted_twice=run.ledger.accepted_twice,
        processes_left=len(left),
        directories_left=int(data_dir.exists()),
        tasks_per_second=len(run.pieces) / run.seconds,
        wait_p50_seconds=waits[len(waits) // 2] if waits else None,
        wait_p95_seconds=waits[len(waits) * 95 // 100] if waits else None,
        run_seconds=run.seconds,
        wall_seconds=wall_seconds,
    )
