"""The demonstration of real work from beginning to end: modules compiled, counted and checked."""

from dataclasses import dataclass
from functools import partial
from typing import Final

from hive.demonstration.checking import Findings, check
from hive.demonstration.corpus import BROKEN, standard_library, write_broken_files
from hive.demonstration.expecting import expectations
from hive.demonstration.performing import Run, perform
from hive.demonstration.progress import Progress
from hive.demonstration.staging import Performed, on_stage
from hive.demonstration.summary import Summary
from hive.demonstration.workload import pieces_of
from hive.endings import FAILED, INTERRUPTED
from hive.printing import show, show_json
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive_contracts.errors import ConfigurationError

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
    performed = await on_stage(partial(_perform_and_check, tasks))
    if performed is None:
        return INTERRUPTED
    summary = _summary(performed)
    if as_json:
        show_json(summary.as_plain())
    else:
        show("\n".join(summary.lines()))
    return FAILED if summary.faults() else 0


async def _perform_and_check(tasks: int | None, settings: Settings, progress: Progress) -> Shown:
    data_dir = settings.services.data_dir
    most = None if tasks is None else (tasks - 2 * len(BROKEN)) // 2
    paths = [*standard_library(most), *write_broken_files(data_dir / "broken")]
    async with open_view(settings) as view:
        pieces = pieces_of(paths)
        run = await perform(view, data_dir, pieces, progress)
        progress.note("all have ended; computing every result directly, to compare ...")
        return Shown(run=run, findings=await check(view, run, await expectations(paths)))


def _summary(performed: Performed[Shown]) -> Summary:
    run, findings = performed.result.run, performed.result.findings
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
        sonnets=run.verse.sonnets,
        clean_sonnets=run.verse.clean_sonnets,
        ended_meanwhile=run.verse.ended_meanwhile,
        lag_p50_ms=run.verse.lag_p50_ms,
        lag_p99_ms=run.verse.lag_p99_ms,
        lag_most_ms=run.verse.lag_most_ms,
        accepted_twice=run.ledger.accepted_twice,
        processes_left=len(performed.left),
        directories_left=performed.directories_left,
        tasks_per_second=len(run.pieces) / run.seconds,
        wait_p50_seconds=waits[len(waits) // 2] if waits else None,
        wait_p95_seconds=waits[len(waits) * 95 // 100] if waits else None,
        run_seconds=run.seconds,
        wall_seconds=performed.wall_seconds,
    )
