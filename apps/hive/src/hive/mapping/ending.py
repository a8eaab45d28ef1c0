"""What became of a group, for people, for programs, and as an exit code."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from hive.durations import show_seconds
from hive.tables import fit
from hive.tasks.exit_codes import exit_code_of_many
from hive.tasks.reaching import View
from hive.words import counted
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState
from hive_contracts.tasks import TaskRecord

__all__ = ["Ending", "read_ending"]

MOST_FAILURES: Final = 5
FAILURE_COLUMNS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the tasks of a group have ended."""

    group: str
    counts: Mapping[TaskState, int]
    failures: Sequence[TaskRecord]
    """Of those that failed, the last few."""

    seconds: float
    """How long they were watched."""

    @property
    def exit_code(self) -> int:
        """The exit code that tells how many have not succeeded."""
        succeeded = self.counts.get(TaskState.SUCCEEDED, 0)
        return exit_code_of_many(sum(self.counts.values()) - succeeded)

    def as_lines(self) -> list[str]:
        """Return the ending for people."""
        ends = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
        parts = [f"{self.counts[state]:,} {state}" for state in ends if self.counts.get(state)]
        took = show_seconds(self.seconds)
        lines = [f"hive: group {self.group}: {', '.join(parts) or 'no tasks'}, after {took}"]
        lines += [_line(record) for record in self.failures]
        failed = self.counts.get(TaskState.FAILED, 0)
        if failed > len(self.failures):
            lines.append(
                f"  and {failed - len(self.failures):,} more:"
                f" `hive list --group {self.group} --state failed`"
            )
        if failed:
            them = counted(failed, "failed one", "failed ones")
            lines.append(
                f"hive: run the {them} again with `hive retry --group {self.group} --state failed`"
            )
        return lines

    def as_plain(self) -> dict[str, Any]:
        """Return the ending for programs."""
        return {
            "group": self.group,
            "total": sum(self.counts.values()),
            **{state: self.counts.get(state, 0) for state in TaskState},
            "failures": [
                {"id": record.id, "payload": record.payload, "error": record.error}
                for record in self.failures
            ],
            "seconds": self.seconds,
            "exit_code": self.exit_code,
        }


async def read_ending(view: View, group: str, *, seconds: float) -> Ending:
    """Return how the tasks of a group have ended."""
    counts = await view.selector.count_group(group)
    chosen = Selection(group=group, states=frozenset({TaskState.FAILED}))
    failed = await view.selector.page(chosen, limit=MOST_FAILURES)
    failures = await view.tasks.read_many([task.id for task in failed])
    return Ending(group=group, counts=counts, failures=failures, seconds=seconds)


def _line(record: TaskRecord) -> str:
    payload = cast("dict[str, Any]", record.payload) if isinstance(record.payload, dict) else {}
    what = shlex.join(payload.get("argv", [])) or record.kind
    return "  " + fit(f"task {record.id} failed: {record.error} ({what})", FAILURE_COLUMNS)
