"""What a run left behind: what was asked for, what the tasks did, and what Hive says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Asked", "History", "LeftOut", "Row", "Run", "Ticking", "read_witnesses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A task that the driver submitted."""

    number: int
    """Its place in the order of submits."""

    is_acknowledged: bool = True
    """Whether Hive said that it is durable. If not, nobody knows, and it may be there or not."""

    may_end_as: frozenset[str] = frozenset({"succeeded"})
    answer: str | None = None
    """What it must come to if it succeeds; None if that is not looked at."""

    runs_once: bool = False
    """Whether it may never run again once it was started."""

    failures: tuple[int, int] = (0, 0)
    """How many of its attempts fail by themselves, at least and at most."""

    asks_for_more: bool = False
    """Whether it asks to be run again, without having been lost."""

    key: str | None = None
    after: tuple[int, ...] = ()
    """Numbers of the tasks that must have succeeded before it begins."""

    behind: tuple[int, ...] = ()
    """Numbers of the tasks that must have ended before it begins, however they ended."""

    limit: int | None = None
    """How many of those that have a limit may run at once; None if it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt, as it bears witness to itself. Times are seconds since the machine's boot."""

    number: int
    begun_at: float
    seen_at: float
    """When it ended or, if it was killed, gave its last sign of life."""

    has_ended: bool = True
    is_process: bool = True
    """False if it ran in its worker's own loop, which cannot be stopped from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task as Hive tells of it."""

    task_id: int
    number: int | None
    """None if nobody asked for it."""

    state: str
    answer: str | None = None
    ends: tuple[str, ...] = ()
    """The ends that the event log tells of it; one, and no other than its state."""

    failures: int = 0
    """How many of its attempts ended in a failure of its own."""

    schedule: str | None = None
    tick: int | None = None
    """For which moment its schedule made it, in seconds since 1970."""

    finished_at: float | None = None
    """In seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Moments of a schedule for which there is no task, as Hive tells of them."""

    reason: str
    count: int = 1
    """How many there were, of which this is the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticking:
    """What a schedule had to do."""

    moments: tuple[int, ...]
    """Those that it had, in order, in seconds since 1970."""

    may_leave_out: frozenset[str] = frozenset()
    """For what reasons its policies let it leave out a moment."""

    makes_up_for_last: bool = False
    """Whether the last of those that it missed must have a task."""

    left_out: Mapping[int, LeftOut] = field(default_factory=dict[int, LeftOut])


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that the checker looks at."""

    asked: Mapping[int, Asked]
    runs: Sequence[Run]
    rows: Sequence[Row]
    ticking: Mapping[str, Ticking] = field(default_factory=dict[str, Ticking])
    """By the name of a schedule."""

    hints: int = 0
    """How many ends were heard of on the bus, and held against the rows at once."""

    untrue_hints: Sequence[str] = ()
    """Ends that were told on the bus before they were so."""


def read_witnesses(path: Path) -> list[Run]:
    """Return the runs that a file of witnesses tells of (see `tasks/chaos_tasks.py`)."""
    begun: dict[str, tuple[int, float, bool]] = {}
    seen: dict[str, float] = {}
    ended: set[str] = set()
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    for line in lines:
        name, number, what, nanoseconds, _pid, form, _attempt = line.split()
        at = int(nanoseconds) / 1e9
        if what == "begin":
            begun[name] = (int(number), at, form == "process")
        elif what == "end":
            ended.add(name)
        seen[name] = at
    return [
        Run(
            number=number,
            begun_at=at,
            seen_at=seen[name],
            has_ended=name in ended,
            is_process=is_process,
        )
        for name, (number, at, is_process) in begun.items()
    ]
