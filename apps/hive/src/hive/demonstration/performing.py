"""The run itself: submit everything, watch it through the event log, kill a worker half-way."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive.demonstration.killing import Killed, kill_a_working_worker
from hive.demonstration.ledger import Ledger
from hive.demonstration.progress import Progress
from hive.demonstration.stage import WORKERS
from hive.demonstration.verse import Recital, Verse, measure_of_lag, sonnet
from hive.demonstration.workload import Piece, tasks_for
from hive.tasks.reaching import View
from hive.words import counted
from hive_contracts.clocks import BootClock
from hive_contracts.ids import TaskId
from hive_store.event_log import BEGINNING

__all__ = ["Run", "perform"]

LOOK_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 600.0
"""After so long something is wrong, and the verdict says what has not ended."""

EVENTS_AT_ONCE: Final = 1000
PIECES_A_SONNET: Final = 40
"""So many come between one sonnet and the next, so that there is verse from beginning to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened."""

    pieces: dict[TaskId, Piece]
    verse: Verse
    ledger: Ledger
    killed: Killed | None
    seconds: float
    """From the submit to the last end."""


async def perform(view: View, data_dir: Path, pieces: list[Piece], progress: Progress) -> Run:
    """Hand in the pieces and return once all have ended, or it has taken far too long."""
    clock, ledger = BootClock(), Ledger()
    began_at = clock.seconds()
    tasks = [measure_of_lag()]
    for number, first in enumerate(range(0, len(pieces), PIECES_A_SONNET), start=1):
        tasks += [sonnet(number), *tasks_for(pieces[first : first + PIECES_A_SONNET])]
    ids = await view.tasks.submit(tasks)
    sonnets = ids[1 :: 1 + PIECES_A_SONNET]
    progress.note(
        f"{len(pieces):,} tasks on {len({piece.path for piece in pieces})} files and"
        f" {counted(len(sonnets), 'sonnet')}, for {WORKERS} workers"
    )
    recital = Recital(view, sonnets, ids[0], progress)
    progress.begin(len(ids))
    cursor, killed = BEGINNING, None
    while ledger.done < len(ids) and clock.seconds() - began_at < LONGEST_SECONDS:
        while events := await view.events.after(cursor, limit=EVENTS_AT_ONCE):
            ledger.take(events)
            cursor = events[-1].cursor or cursor
        await recital.look(ledger)
        progress.update(ledger)
        if killed is None and len(ids) > ledger.done >= len(ids) // 2:
            unfinished = [i for i in ids if i not in ledger.ends]
            killed = await kill_a_working_worker(data_dir, view.tasks, unfinished)
            if killed is not None:
                progress.note(
                    f"SIGKILL to {killed.name} (process {killed.pid}) while it ran"
                    f" {counted(killed.running, 'task')}; another takes over"
                )
        await asyncio.sleep(LOOK_SECONDS)
    return Run(
        pieces=dict(zip((i for i in ids[1:] if i not in sonnets), pieces, strict=True)),
        verse=await recital.verse(),
        ledger=ledger,
        killed=killed,
        seconds=clock.seconds() - began_at,
    )
