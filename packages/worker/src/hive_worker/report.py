"""What a flush has changed, gathered once for metrics, for the queens and for watchers."""

from collections import defaultdict

from hive_contracts.events import Event, EventFrame, EventType, Frame, LeaseChange, LeaseFrame
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import Task
from hive_store.worker_store import Ending, Finished
from hive_telemetry.metrics import Metrics

__all__ = ["Report"]

ENDS = {
    TaskState.SUCCEEDED: EventType.SUCCEEDED,
    TaskState.FAILED: EventType.FAILED,
    TaskState.CANCELLED: EventType.CANCELLED,
}


class Report:
    """Gathers the endings of one flush."""

    def __init__(self) -> None:
        self._ended: defaultdict[tuple[str, str, OutcomeName], list[float]] = defaultdict(list)
        self._finished: defaultdict[tuple[str, str, OutcomeName], int] = defaultdict(int)
        self._events: defaultdict[EventType, list[tuple[TaskId, int]]] = defaultdict(list)
        self._leases: dict[LeaseId, LeaseChange] = {}
        self._run_seconds: dict[str, tuple[int, float]] = {}

    def add(self, ending: Ending, task: Task, row: Finished) -> None:
        """Take in one ending that is written."""
        key = (task.queue, task.kind, row.outcome)
        self._ended[key].append(ending.run_seconds or 0.0)
        if row.state in TERMINAL_STATES:
            self._finished[key] += 1
        self._events[_event_of(row)].append((row.task_id, row.attempt))
        if row.queen_id is not None and row.open is not None:
            self._leases[row.lease_id] = LeaseChange(
                lease_id=row.lease_id, queen_id=row.queen_id, open=row.open
            )
        if ending.run_seconds is not None:
            count, seconds = self._run_seconds.get(task.kind, (0, 0.0))
            self._run_seconds[task.kind] = (count + 1, seconds + ending.run_seconds)

    def count(self, metrics: Metrics) -> None:
        """Count everything."""
        for (queue, kind, outcome), seconds in self._ended.items():
            metrics.attempts_ended(queue, kind, outcome, seconds)
        for (queue, kind, outcome), count in self._finished.items():
            metrics.tasks_finished(queue, kind, outcome, count)

    def frames(self) -> list[Frame]:
        """Return what to tell: to the queens first, then to whoever watches."""
        frames: list[Frame] = []
        if self._leases:
            frames.append(
                LeaseFrame(changes=tuple(self._leases.values()), run_seconds=self._run_seconds)
            )
        if self._events:
            frames.append(
                EventFrame(
                    tuple(
                        Event(
                            type=event,
                            task_ids=tuple(task_id for task_id, _ in tasks),
                            attempts=tuple(attempt for _, attempt in tasks),
                        )
                        for event, tasks in self._events.items()
                    )
                )
            )
        return frames


def _event_of(row: Finished) -> EventType:
    """Return what happened, in the word that the event log has for it."""
    waits_again = row.outcome is OutcomeName.RELEASED
    return ENDS.get(row.state, EventType.RELEASED if waits_again else EventType.RETRIED)
