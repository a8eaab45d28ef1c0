"""What a queen asks of schedules: whose time has come, and to submit what is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hive_contracts.ids import ScheduleId
from hive_contracts.schedules import Missed, SkipReason, When
from hive_store.line import Line, Row
from hive_store.schedule_columns import when_of
from hive_store.texts import storable_text

__all__ = ["Decision", "DueSchedule", "Outlook", "Submitted", "TickStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A schedule whose time has come."""

    id: ScheduleId
    revision: int
    due_at: datetime | None
    """The tick that is due; None if nobody has reckoned yet which is the first."""

    when: When
    missed: Missed
    max_missed: int
    since: datetime
    """Ticks count from here."""

    now: datetime
    """The database's time when this was read: what is later is not due."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What there is to do, and when there will be more."""

    due: list[DueSchedule]
    next_seconds: float | None
    """In how long the next schedule falls due that is not yet; None if none will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a queen has reckoned of a schedule, as it was when she read it."""

    schedule: DueSchedule
    ticks: Sequence[tuple[datetime, str]] = ()
    """The ticks to submit, each with what its wall shows."""

    left_out: int = 0
    left_out_until: tuple[datetime, str] | None = None
    next_at: datetime | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a batch of decisions."""

    advanced: int
    """How many schedules were moved on; the others were another queen's, or are being changed."""

    late_seconds: list[float]
    """Of each tick that was submitted, how long after its moment that was."""

    skipped: dict[SkipReason, int]


class TickStore:
    """The ticks of all schedules, over a queen's line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def outlook(self, *, limit: int) -> Outlook:
        """Return the schedules that are due, at most `limit`, and when the next one is."""
        rows = await self._line.fetch("list_due_schedules", limit)
        return Outlook(
            [_due(row) for row in rows if row["is_due"]],
            next((row["in_seconds"] for row in rows if not row["is_due"]), None),
        )

    async def submit(self, decisions: Sequence[Decision]) -> Submitted:
        """Submit ticks and move their schedules on; what another queen has decided stays so."""
        ticks = [(d.schedule.id, at, said) for d in decisions for at, said in d.ticks]
        untils = [d.left_out_until or (None, None) for d in decisions]
        rows = await self._line.fetch(
            "submit_ticks",
            [d.schedule.id for d in decisions],
            [d.schedule.revision for d in decisions],
            [d.schedule.due_at for d in decisions],
            [d.next_at for d in decisions],
            [d.left_out for d in decisions],
            [at for at, _ in untils],
            [said for _, said in untils],
            [None if d.fault is None else storable_text(d.fault) for d in decisions],
            *([tick[column] for tick in ticks] for column in range(3)),
        )
        return _submitted(rows)

    async def submit_waiting(self, *, limit: int) -> list[float]:
        """Submit ticks whose turn has come since; return how late each is, in seconds."""
        rows = await self._line.fetch("submit_waiting_ticks", limit)
        return [row["late_seconds"] for row in rows]

    async def forget(self, *, keep_days: int, limit: int) -> int:
        """Forget what became of ticks so many days ago; return of how many, at most `limit`."""
        return await self._line.fetch_value("forget_ticks", keep_days, limit)


def _due(row: Row) -> DueSchedule:
    return DueSchedule(
        id=ScheduleId(row["id"]),
        revision=row["revision"],
        due_at=row["due_at"],
        when=when_of(row),
        missed=Missed(row["missed"]),
        max_missed=row["max_missed"],
        since=row["since"],
        now=row["now"],
    )


def _submitted(rows: Sequence[Row]) -> Submitted:
    skipped: dict[SkipReason, int] = {}
    for row in rows:
        if row["reason"] is not None:
            reason = SkipReason(row["reason"])
            skipped[reason] = skipped.get(reason, 0) + row["count"]
    return Submitted(
        advanced=next(row["count"] for row in rows if row["outcome"] == "advanced"),
        late_seconds=[row["late_seconds"] for row in rows if row["outcome"] == "submitted"],
        skipped=skipped,
    )
