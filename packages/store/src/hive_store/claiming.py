"""Where a claim reads: the parts of the claim order that may still hold tasks.

Claimed tasks leave dead entries behind in the index until a vacuum takes them, and a held snapshot
keeps the vacuum from doing so. A claim that begins at the first priority every time reads all of
them again. So a queue's claimer remembers, for each priority, the last task that it claimed, and
the next claim begins behind it.

What is submitted with an earlier place than a watermark (a retry, a release, an id that committed
late) is behind the back of the claim: the watermarks are forgotten when a claim comes back short,
when the bell rings for a retry or a release, and every second in any case.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from hive_contracts.errors import UnclaimableLineError
from hive_contracts.ids import LeaseId, QueenId
from hive_contracts.labels import place_of
from hive_store.line import Row

__all__ = [
    "ClaimedBundle",
    "Intervals",
    "Watermarks",
    "bundles_in",
    "claim_arguments",
    "claiming_from",
]

LEAST_URGENT: Final = 32767
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBundle:
    """One lease that a claim made, or the part of it that has one priority."""

    lease_id: LeaseId
    priority: int
    size: int
    kinds: tuple[str, ...]
    last_run_at: datetime | None
    """The last of its tasks that was queued; None if all of them had waited for a limit."""

    last_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Parts of the claim order, in order: each begins behind a task and ends with a priority."""

    after_priorities: Sequence[int]
    after_run_ats: Sequence[datetime]
    after_ids: Sequence[int]
    last_priorities: Sequence[int]


class Watermarks:
    """The last task claimed of each priority of one queue."""

    def __init__(self) -> None:
        self._marks: dict[int, tuple[datetime, int]] = {}

    @property
    def is_at_beginning(self) -> bool:
        """Whether a claim would look at the whole of the line."""
        return not self._marks

    def intervals(self) -> Intervals:
        """Return what may still hold tasks: all that is not before a watermark of its priority."""
        known = sorted(self._marks)
        begins = [(-1, BEGINNING, 0), *((p, *self._marks[p]) for p in known)]
        ends = [*(p - 1 for p in known), LEAST_URGENT]
        parts = [(b, e) for b, e in zip(begins, ends, strict=True) if b[0] <= e]
        return Intervals(
            after_priorities=[b[0] for b, _ in parts],
            after_run_ats=[b[1] for b, _ in parts],
            after_ids=[b[2] for b, _ in parts],
            last_priorities=[e for _, e in parts],
        )

    def advance(self, bundles: Iterable[ClaimedBundle]) -> None:
        """Remember the last task of each priority that was claimed."""
        for bundle in bundles:
            if bundle.last_run_at is None or bundle.last_id is None:
                continue
            place = (bundle.last_run_at, bundle.last_id)
            self._marks[bundle.priority] = max(place, self._marks.get(bundle.priority, place))

    def forget(self) -> None:
        """Begin at the beginning again."""
        self._marks.clear()


def claim_arguments(
    queen_id: QueenId,
    line: str,
    *,
    limit: int,
    lease: timedelta,
    bundle_size: int,
    worker_count: int,
    watermarks: Watermarks,
) -> list[object]:
    """Return what both statements that claim are given first, in their order."""
    queue, needs = place_of(line)
    parts = watermarks.intervals()
    return [
        queen_id,
        queue,
        limit,
        lease.total_seconds(),
        bundle_size,
        max(1, worker_count),
        parts.after_priorities,
        parts.after_run_ats,
        parts.after_ids,
        parts.last_priorities,
        needs,
    ]


@contextmanager
def claiming_from(line: str) -> Generator[None]:
    """Have a row that may not be claimed hold up its own line, and no other.

    Raises:
        UnclaimableLineError: a task in the line breaks a rule of the schema once it is claimed.
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise UnclaimableLineError(
            f"nothing of {line} can be claimed before a row of hive.task is set right: {error}"
        ) from error


def bundles_in(rows: Iterable[Row]) -> list[ClaimedBundle]:
    """Return the bundles that a claim's rows tell of."""
    return [
        ClaimedBundle(
            lease_id=LeaseId(row["lease_id"]),
            priority=row["priority"],
            size=row["size"],
            kinds=tuple(row["kinds"]),
            last_run_at=row["last_run_at"],
            last_id=row["last_id"],
        )
        for row in rows
    ]
