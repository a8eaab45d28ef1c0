"""Hold every result against the right answer, and every promise against the event log."""

from collections.abc import Mapping
from dataclasses import dataclass

from hive.demonstration.expecting import Expectation
from hive.demonstration.performing import Run
from hive.demonstration.workload import Piece
from hive.tasks.reaching import View
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import TaskRecord

__all__ = ["Findings", "check"]

RECORDS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the check of a run found."""

    succeeded: int
    failed: int
    """Tasks that failed as they had to: their file is broken."""

    wrong: tuple[str, ...]
    """A sentence for each task whose end is not what it must be."""

    lost: int
    """Tasks that have not ended."""

    waits: tuple[float, ...]
    """For how many seconds each task was due before it began, shortest first."""


async def check(view: View, run: Run, expected: Mapping[str, Expectation]) -> Findings:
    """Look at every task of a run."""
    records = await _records(view, list(run.pieces))
    wrong: list[str] = []
    for record in records:
        piece = run.pieces[record.id]
        fault = await _fault(view, record, piece, expected[piece.path])
        if fault:
            wrong.append(f"task {record.id} ({piece.kind} on {piece.path}) {fault}")
    waits = [(r.started_at - r.run_at).total_seconds() for r in records if r.started_at]
    faulty = {line.split()[1] for line in wrong}
    return Findings(
        succeeded=sum(record.state is TaskState.SUCCEEDED for record in records),
        failed=sum(r.state is TaskState.FAILED and str(r.id) not in faulty for r in records),
        wrong=tuple(wrong),
        lost=sum(record.state not in TERMINAL_STATES for record in records),
        waits=tuple(sorted(waits)),
    )


async def _records(view: View, ids: list[TaskId]) -> list[TaskRecord]:
    return [
        record
        for first in range(0, len(ids), RECORDS_AT_ONCE)
        for record in await view.tasks.read_many(ids[first : first + RECORDS_AT_ONCE])
    ]


async def _fault(view: View, record: TaskRecord, piece: Piece, expected: Expectation) -> str | None:
    """Return what is wrong with the end of a task; None if nothing is."""
    if record.state not in TERMINAL_STATES:
        return f"is still {record.state}"
    answer = expected.digest if piece.kind == "command" else expected.tokens
    must = TaskState.SUCCEEDED if answer.error is None else TaskState.FAILED
    if record.state is not must:
        return f"{record.state} and must have {must}: {record.error}"
    told = await _told_by_process(view, record) if piece.kind == "command" else _told(record)
    wanted = answer.value if answer.error is None else answer.error
    return None if told == wanted else f"came to {told!r}, and must come to {wanted!r}"


async def _told_by_process(view: View, record: TaskRecord) -> object:
    """Return what a process printed last: the digest on stdout, or the error on stderr."""
    wanted = "stdout" if record.state is TaskState.SUCCEEDED else "stderr"
    pieces = await view.tasks.read_output(record.id)
    printed = b"".join(piece.data for piece in pieces if piece.stream == wanted)
    return _last_line(printed.decode(errors="replace"))


def _told(record: TaskRecord) -> object:
    return record.result if record.error is None else _last_line(record.error)


def _last_line(text: str) -> str:
    lines = text.splitlines()
    return lines[-1].strip() if lines else ""
