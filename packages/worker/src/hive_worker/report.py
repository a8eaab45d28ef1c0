"""What a flush has changed, gathered once for metrics, for the queens and for watchers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from hive_contracts.events import Event, EventFrame, EventType, Frame, LeaseChange, LeaseFrame
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, Move, TaskState
from hive_store.worker_store import Ending, Finished
from hive_telemetry.metrics import Metrics

__all__ = ["Report"]

ENDS = {
    TaskState.SUCCEEDED: EventType.SUCCEEDED,
    TaskState.FAILED: EventType.FAILED,
    TaskState.CANCELLED: EventType.CANCELLED,
}
SET_ASIDE = {Move.PARK: EventType.PARKED, Move.ASK: EventType.ASKED}


_Kind: TypeAlias = tuple[str, str, OutcomeName, TaskState, EventType | None]
"""Queue, kind, outcome, state, and what happened if these do not say it."""


@dataclass(slots=True)
class _Alike:
    """Endings of one flush that differ in nothing but their tasks."""

    task_ids: list[TaskId] = field(default_factory=list[TaskId])
    attempts: list[int] = field(default_factory=list[int])
    run_seconds: list[float] = field(default_factory=list[float])
    unbegun: int = 0
    """How many of the attempts never ran."""


class Report:
    """Gathers the endings of one flush."""

    def __init__(self) -> None:
        self._groups: defaultdict[_Kind, _Alike] = defaultdict(_Alike)
        self._leases: dict[LeaseId, LeaseChange] = {}

    def add(self, members: Sequence[tuple[Ending, Task]], row: Finished) -> None:
        """Take in endings that are written, of one lease and alike in what came of them.

        Args:
            members: how each of them ended; at least one. They are of one queue, as a lease is, and
                either all set aside or none, because that has statements of its own.
            row: what became of them all.
        """
        first_ending, first_task = members[0]
        set_aside = SET_ASIDE.get(first_ending.move)
        by_kind: dict[str, list[Ending]] = {}
        for ending, task in members:
            by_kind.setdefault(task.kind, []).append(ending)
        for kind, endings in by_kind.items():
            alike = self._groups[first_task.queue, kind, row.outcome, row.state, set_aside]
            run_seconds = [e.run_seconds for e in endings if e.run_seconds is not None]
            alike.task_ids += [e.task_id for e in endings]
            alike.attempts += [row.attempt] * len(endings)
            alike.run_seconds += run_seconds
            alike.unbegun += len(endings) - len(run_seconds)
        if row.queen_id is not None and row.open is not None:
            known = self._leases.get(row.lease_id)
            # All rows of one statement have one count; of two statements the later has less.
            if known is None or row.open < known.open:
                self._leases[row.lease_id] = LeaseChange(
                    lease_id=row.lease_id, queen_id=row.queen_id, open=row.open
                )

    def count(self, metrics: Metrics) -> None:
        """Count everything."""
        for (queue, kind, outcome, state, _), alike in self._groups.items():
            unbegun = [0.0] * alike.unbegun
            metrics.attempts_ended(queue, kind, outcome, alike.run_seconds + unbegun)
            if state in TERMINAL_STATES:
                metrics.tasks_finished(queue, kind, outcome, len(alike.task_ids))

    def frames(self) -> list[Frame]:
        """Return what to tell: to the queens first, then to whoever watches."""
        events = tuple(
            Event(
                type=_event_of(outcome, state, set_aside),
                task_ids=tuple(alike.task_ids),
                attempts=tuple(alike.attempts),
            )
            for (_, _, outcome, state, set_aside), alike in self._groups.items()
        )
        frames: list[Frame] = []
        if self._leases:
            changes = tuple(self._leases.values())
            frames.append(LeaseFrame(changes=changes, run_seconds=self._run_seconds()))
        if events:
            frames.append(EventFrame(events))
        return frames

    def _run_seconds(self) -> dict[str, tuple[int, float]]:
        """Return by kind how many attempts ran, and for how long in all."""
        totals: dict[str, tuple[int, float]] = {}
        for (_, kind, *_), alike in self._groups.items():
            if alike.run_seconds:
                count, seconds = totals.get(kind, (0, 0.0))
                totals[kind] = (count + len(alike.run_seconds), seconds + sum(alike.run_seconds))
        return totals


def _event_of(outcome: OutcomeName, state: TaskState, set_aside: EventType | None) -> EventType:
    """Return what happened, in the word that the event log has for it."""
    if set_aside is not None and state not in ENDS:
        return set_aside
    waits_again = outcome is OutcomeName.RELEASED
    return ENDS.get(state, EventType.RELEASED if waits_again else EventType.RETRIED)
