"""What a queen asks of Postgres: claim, take back, sweep, reap, recount, and the term."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from hive_contracts.events import Cursor
from hive_contracts.ids import LeaseId, QueenId, TaskId
from hive_contracts.labels import line_of, place_of
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_store.claiming import (
    ClaimedBundle,
    Watermarks,
    bundles_in,
    claim_arguments,
    claiming_from,
)
from hive_store.control_store import ControlStore
from hive_store.deeds import myself
from hive_store.delivery_store import DeliveryStore
from hive_store.limited_claiming import LimitedClaims
from hive_store.line import Line
from hive_store.queen_findings import (
    CalledOff,
    Capacity,
    Expired,
    Gates,
    Grants,
    OpenCount,
    OwnLease,
    ReapedTask,
    Swept,
)
from hive_store.texts import storable_text
from hive_store.tick_store import TickStore
from hive_store.webhook_reports import WebhookReports

__all__ = ["QueenStore"]

LOOK_AHEAD: Final = 1000


class QueenStore:
    """The statements of one queen: claims go over one line, and all else over a second."""

    def __init__(self, queen_id: QueenId, *, claims: Line, upkeep: Line) -> None:
        self.queen_id = queen_id
        self._claims = claims
        self._upkeep = upkeep
        self.limited = LimitedClaims(queen_id, claims=claims, upkeep=upkeep)
        """Claims of queues that limits hold for."""

        self.controls = ControlStore(upkeep, myself())
        """What people have done to queues and limits."""

        self.ticks = TickStore(upkeep)
        """All that is asked of schedules."""

        self.deliveries = DeliveryStore(upkeep)
        """What is done for webhooks."""

        self.webhook_reports = WebhookReports(upkeep)
        """How webhooks fare."""

    async def claim(
        self,
        queue: str,
        *,
        limit: int,
        lease: timedelta,
        bundle_size: int,
        worker_count: int,
        watermarks: Watermarks,
    ) -> list[ClaimedBundle]:
        """Lease up to `limit` queued tasks in bundles, behind the watermarks, and move these on.

        A lease whose tasks have several priorities comes back in several parts. For tasks that need
        labels or several slots, `queue` is the name of their line (`line_of`).
        """
        with claiming_from(queue):
            rows = await self._claims.fetch(
                "claim_tasks",
                *claim_arguments(
                    self.queen_id,
                    queue,
                    limit=limit,
                    lease=lease,
                    bundle_size=bundle_size,
                    worker_count=worker_count,
                    watermarks=watermarks,
                ),
            )
        bundles = bundles_in(rows)
        watermarks.advance(bundles)
        return bundles

    async def claim_one(
        self, queue: str, *, lease: timedelta, watermarks: Watermarks
    ) -> ClaimedBundle | None:
        """Lease the next task, also if limits hold for its queue: for who works without a queen.

        What is held up meanwhile is taken out of the way.
        """
        plain = await self.claim(
            queue, limit=1, lease=lease, bundle_size=1, worker_count=1, watermarks=watermarks
        )
        if plain:
            return plain[0]
        limited = await self.limited.claim(
            queue,
            limit=1,
            lease=lease,
            bundle_size=1,
            worker_count=1,
            watermarks=watermarks,
            look_ahead=LOOK_AHEAD,
        )
        return next(iter(limited.bundles), None)

    async def release(self, lease_ids: Sequence[LeaseId], *, reason: str) -> int:
        """Take back leases that nobody accepted; return how many tasks are queued again."""
        rows = await self._upkeep.fetch(
            "release_leases", self.queen_id, list(lease_ids), storable_text(reason)
        )
        return sum(TaskState(row["state"]) is TaskState.QUEUED for row in rows)

    async def own_leases(self, *, living: timedelta) -> list[OwnLease]:
        """Return the leases that this queen granted and that are still there.

        Args:
            living: a worker that was not seen within this time is silent.
        """
        rows = await self._upkeep.fetch("list_own_leases", self.queen_id, living.total_seconds())
        return [
            OwnLease(
                id=LeaseId(row["id"]),
                queue=line_of(row["queue"], row["needs"]),
                open=row["open"],
                size=row["size"],
                is_unaccepted=row["is_unaccepted"],
                is_silent=row["is_silent"],
            )
            for row in rows
        ]

    async def sweep_due(self, *, batch_size: int) -> Swept:
        """Queue tasks whose time has come."""
        [row] = await self._upkeep.fetch("release_due_tasks", batch_size)
        return Swept(row["count"], row["next_seconds"])

    async def expire(self, *, batch_size: int) -> Expired:
        """Cancel tasks that still wait when they have expired."""
        [row] = await self._upkeep.fetch("expire_tasks", batch_size)
        return Expired(tuple(row["ids"]), row["next_seconds"])

    async def raise_waiting(self, *, level: timedelta, batch_size: int) -> int:
        """Make tasks a priority more urgent for each `level` that they waited; return how many."""
        return await self._upkeep.fetch_value("raise_tasks", level.total_seconds(), batch_size)

    async def grant_turns(self, *, batch_size: int) -> Grants:
        """Give the turn of keys that were woken to the first task in the line of each."""
        while True:
            try:
                [row] = await self._upkeep.fetch("grant_turns", batch_size)
            except asyncpg.UniqueViolationError:
                # Another queen was granting one of the keys; nothing of ours is written.
                batch_size = max(1, batch_size // 2)
            else:
                return Grants(row["taken"], row["granted"])

    async def close_dependencies(self, *, batch_size: int) -> int:
        """Close edges to tasks that have ended; return how many wake-ups were looked at."""
        [row] = await self._upkeep.fetch("close_dependencies", batch_size, batch_size)
        return row["taken"]

    async def release_gates(self, *, batch_size: int) -> Gates:
        """Let tasks go on that wait for no other any more, or cancel them for one that failed."""
        [row] = await self._upkeep.fetch("release_gates", batch_size)
        return Gates(row["taken"], row["queued"], tuple(row["cancelled_ids"]))

    async def wake_stranded(self, *, batch_size: int, quiet: timedelta) -> int:
        """Have tasks looked at that wait for nothing; return how many there were: it must be 0."""
        found, last = 0, 0
        while last is not None:
            [row] = await self._upkeep.fetch(
                "wake_stranded_tasks", last, batch_size, quiet.total_seconds()
            )
            found, last = found + row["count"], row["last_id"]
        return found

    async def reap(self, *, batch_size: int) -> list[ReapedTask]:
        """End leases that have lapsed; return what became of their tasks."""
        return [
            ReapedTask(
                id=TaskId(row["id"]),
                state=TaskState(row["state"]),
                outcome=OutcomeName(row["outcome"]),
                attempt=row["attempt"],
                lease_id=LeaseId(row["lease_id"]),
                queue=row["queue"],
                kind=row["kind"],
            )
            for row in await self._upkeep.fetch("reap_leases", batch_size)
        ]

    async def see(self, *, host: str, pid: int, version: str) -> None:
        """Say that this queen lives."""
        await self._upkeep.fetch("see_queen", self.queen_id, host, pid, version)

    async def leave(self) -> None:
        """Say that this queen has left, and give up the term if she has it."""
        await self._upkeep.fetch("resign_term", self.queen_id)
        await self._upkeep.fetch("leave_as_queen", self.queen_id)

    async def check_schema(self) -> None:
        """See that this Hive may still work with the database's schema; raises as `Line` does."""
        await self._upkeep.check_schema()

    async def capacity(self, *, living: timedelta, lines: Iterable[str] = ()) -> Capacity:
        """Return who was seen within `living`, and what they can run.

        Args:
            living: whoever was seen within this time lives.
            lines: of tasks that need labels or several slots; counted beside those in which
                some are queued.
        """
        places = [place_of(line) for line in lines]
        rows = await self._upkeep.fetch(
            "count_capacity",
            living.total_seconds(),
            [queue for queue, _ in places],
            [needs for _, needs in places],
        )
        names = [line_of(row["queue"], row["needs"]) for row in rows]
        return Capacity(
            queens=max(1, rows[0]["queens"]) if rows else 1,
            total_slots=rows[0]["total_slots"] if rows else 0,
            workers={name: row["workers"] for name, row in zip(names, rows, strict=True)},
            slots={name: row["slots"] for name, row in zip(names, rows, strict=True)},
        )

    async def hold_term(self, *, term: timedelta) -> int | None:
        """Take or keep the term; return its number, or None while another queen has it."""
        return await self._upkeep.fetch_value("hold_term", self.queen_id, term.total_seconds())

    async def count_open(self) -> list[OpenCount]:
        """Return how many tasks wait or are leased, by queue and state."""
        return [
            OpenCount(
                row["queue"],
                TaskState(row["state"]),
                row["count"],
                row["oldest_run_at"],
                row["parked"],
                row["asking"],
            )
            for row in await self._upkeep.fetch("count_open_tasks")
        ]

    async def free_from_budgets(self) -> int:
        """Let tasks go on that a budget had set aside and would not any more; return how many."""
        return await self._upkeep.fetch_value("free_from_budgets", *myself())

    async def fold_spent(self, *, keep_days: int, limit: int) -> int:
        """Make one sum of all days before the last `keep_days`, for each queue and group.

        A group that has neither a task nor a budget any more is summed up with those that are in
        no group. Returns how many sums were added to others, `limit` at most.
        """
        return await self._upkeep.fetch_value("fold_spent", keep_days, limit)

    async def count_unmet(self, *, living: timedelta) -> dict[str, int]:
        """Return by queue how many tasks need what no worker seen within `living` has.

        They are queued, or held up by a limit.
        """
        counts: dict[str, int] = {}
        for row in await self._upkeep.fetch("find_unmet_needs", living.total_seconds()):
            counts[row["queue"]] = counts.get(row["queue"], 0) + row["count"]
        return counts

    async def count_orphans(self) -> int:
        """Return how many leased tasks have no lease, or leases a wrong count. It must be 0."""
        return await self._upkeep.fetch_value("count_orphans")

    async def keep_event_days(self, *, ahead: int, keep: int) -> tuple[int, int]:
        """Make the log's partitions ahead and drop old ones; return how many of each."""
        made = await self._upkeep.fetch_value("create_event_days", ahead)
        return made, await self._upkeep.fetch_value("drop_event_days", keep)

    async def log_end(self) -> Cursor:
        """Return the place behind everything in the event log that has settled."""
        [row] = await self._upkeep.fetch("read_event_end")
        return Cursor(row["xid"], row["id"])

    async def count_called_off(self, after: Cursor, *, limit: int) -> CalledOff:
        """Count tasks that were called off before anybody had them, in the next `limit` events."""
        rows = await self._upkeep.fetch("count_called_off", str(after.xid), after.id, limit)
        events = rows[0]["events"]
        return CalledOff(
            {(row["queue"], row["kind"]): row["count"] for row in rows if row["count"]},
            Cursor(rows[0]["xid"], rows[0]["id"]) if events else after,
            is_more=events == limit,
        )

    async def count_stray_events(self) -> int:
        """Return how many events lie in the default partition, for want of their day's own."""
        return await self._upkeep.fetch_value("count_stray_events")

    async def oldest_transaction_seconds(self) -> float:
        """Return how long the oldest open transaction has been open; 0 if there is none."""
        rows = await self._upkeep.fetch("find_oldest_transaction")
        return rows[0]["age_seconds"] if rows else 0.0

    async def forget_unique_keys(self, *, age: timedelta, limit: int) -> int:
        """Forget unique keys of tasks that ended, and were submitted longer than `age` ago."""
        return await self._upkeep.fetch_value("forget_unique_keys", age.total_seconds(), limit)

    async def forget_the_dead(self, *, unseen: timedelta) -> int:
        """Forget workers and queens not seen for so long; return how many."""
        return await self._upkeep.fetch_value("forget_the_dead", unseen.total_seconds())
