"""What the demonstration says at its end: figures, whether everything holds, what is next."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from hive.words import counted

__all__ = ["Summary"]

MOST_FAULTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The demonstration in figures."""

    tasks: int
    succeeded: int
    failed_as_expected: int
    wrong: tuple[str, ...]
    killed_worker: str | None
    running_when_killed: int
    recovered: int
    lost: int
    accepted_twice: int
    processes_left: int
    directories_left: int
    tasks_per_second: float
    wait_p50_seconds: float | None
    wait_p95_seconds: float | None
    sonnets: int
    clean_sonnets: int
    """Those of 14 clean lines."""

    ended_meanwhile: int
    """Tasks that ended between the first and the last word of a sonnet, of all sonnets."""

    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_most_ms: float | None
    run_seconds: float
    wall_seconds: float

    def faults(self) -> list[str]:
        """Return what does not hold, as sentences; nothing if all does."""
        found = list(self.wrong)
        if self.killed_worker is None:
            found.append("no worker was killed: none ran a task when it was looked for")
        elif not self.recovered:
            found.append("nothing was recovered from the worker that was killed")
        if self.clean_sonnets != self.sonnets:
            found.append(f"{self.clean_sonnets} of {self.sonnets} sonnets have 14 clean lines")
        if self.lag_most_ms is None:
            found.append("the lag of a worker's loop was not measured")
        for count, what in (
            (self.lost, "tasks have not ended"),
            (self.accepted_twice, "tasks have more than one end"),
            (self.processes_left, "processes are left"),
            (self.directories_left, "directories are left"),
        ):
            if count:
                found.append(f"{count} {what}")
        return found

    def as_plain(self) -> dict[str, Any]:
        """Return everything for programs."""
        return {"holds": not self.faults(), **asdict(self), "faults": self.faults()}

    def lines(self) -> list[str]:
        """Return everything for people."""
        return [*self._figures(), "", *self._conclusion()]

    def _figures(self) -> list[str]:
        return [
            f"tasks            {self.tasks:,}",
            f"succeeded        {self.succeeded:,}, each with the result computed directly",
            f"failed           {self.failed_as_expected}, as they had to: their files are broken",
            f"recovered        {self._recovered()}",
            f"lost             {self.lost}",
            f"accepted twice   {self.accepted_twice}",
            f"processes left   {self.processes_left}",
            f"verse            {self._verse()}",
            f"loop lag         {self._lag()}",
            f"throughput       {self.tasks_per_second:.0f} tasks a second",
            f"queue wait       {self._waits()}",
            f"time             {self.wall_seconds:.1f} s, of which the tasks"
            f" {self.run_seconds:.1f} s",
        ]

    def _recovered(self) -> str:
        if self.killed_worker is None:
            return f"{self.recovered}; no worker was killed"
        return (
            f"{self.recovered} that {self.killed_worker} held when it was killed,"
            f" {self.running_when_killed} of them running"
        )

    def _waits(self) -> str:
        if self.wait_p50_seconds is None or self.wait_p95_seconds is None:
            return "unknown"
        return f"p50 {self.wait_p50_seconds:.2f} s, p95 {self.wait_p95_seconds:.2f} s"

    def _verse(self) -> str:
        return (
            f"{self.clean_sonnets} of {counted(self.sonnets, 'sonnet')}, and"
            f" {self.ended_meanwhile:,} other tasks ended meanwhile"
        )

    def _lag(self) -> str:
        if self.lag_p50_ms is None or self.lag_p99_ms is None or self.lag_most_ms is None:
            return "unknown"
        return (
            f"p50 {self.lag_p50_ms:.1f} ms, p99 {self.lag_p99_ms:.1f} ms, most"
            f" {self.lag_most_ms:.1f} ms, of a worker"
        )

    def _conclusion(self) -> list[str]:
        faults = self.faults()
        if faults:
            more = len(faults) - MOST_FAULTS
            rest = [f"  and {more} more"] if more > 0 else []
            return ["This does not hold:", *(f"  {f}" for f in faults[:MOST_FAULTS]), *rest]
        return [
            "Everything holds. Next:",
            "  hive up -d                 start a Hive that stays",
            "  hive run -- uname -a       give it a command",
            "  hive status                see how it does",
        ]
