"""Claims of queues that limits hold for, and what a queen must know of limits.

A plain claim takes nothing of such a queue: `claim_tasks` asks that itself. What is remembered here
only says which claim to send.
"""

from dataclasses import dataclass
from datetime import timedelta

from hive_contracts.ids import QueenId
from hive_store.claiming import (
    ClaimedBundle,
    Watermarks,
    bundles_in,
    claim_arguments,
    claiming_from,
)
from hive_store.line import Line

__all__ = ["LimitedClaim", "LimitedClaims"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedClaim:
    """What a claim has found under limits."""

    bundles: list[ClaimedBundle]
    held_up: int
    """How many tasks have to wait for a limit, or for another one than before."""

    is_used_up: bool
    """Whether some limit of the queue has no room left."""

    next_seconds: float | None
    """When a rate or a breaker lets the next task start; None if none makes it wait."""


class LimitedClaims:
    """The statements of one queen that know of limits."""

    def __init__(self, queen_id: QueenId, *, claims: Line, upkeep: Line) -> None:
        self._queen_id = queen_id
        self._claims = claims
        self._upkeep = upkeep

    async def claim(
        self,
        queue: str,
        *,
        limit: int,
        lease: timedelta,
        bundle_size: int,
        worker_count: int,
        watermarks: Watermarks,
        look_ahead: int,
    ) -> LimitedClaim:
        """Lease up to `limit` tasks as far as their limits have room, and move the watermarks on.

        Args:
            queue: the line of tasks: a queue, or the name of a line with needs.
            limit: most tasks to take.
            lease: how long the leases last unless they are accepted.
            bundle_size: most tasks in a bundle.
            worker_count: over how many workers to spread.
            watermarks: behind which queued tasks are looked for.
            look_ahead: how many queued tasks to look at: those that are held up go out of the way.

        Raises:
            StoreUnavailableError: also if somebody's open transaction has changed a limit.
        """
        with claiming_from(queue):
            rows = await self._claims.fetch(
                "claim_limited_tasks",
                *claim_arguments(
                    self._queen_id,
                    queue,
                    limit=limit,
                    lease=lease,
                    bundle_size=bundle_size,
                    worker_count=worker_count,
                    watermarks=watermarks,
                ),
                max(limit, look_ahead),
            )
        bundles = bundles_in(row for row in rows if row["lease_id"] is not None)
        watermarks.advance(bundles)
        return LimitedClaim(
            bundles=bundles,
            held_up=rows[0]["held_up"],
            is_used_up=rows[0]["is_used_up"],
            next_seconds=rows[0]["next_seconds"],
        )

    async def targets(self) -> frozenset[tuple[str, str]]:
        """Return what there are limits for: (scope, target)."""
        rows = await self._upkeep.fetch("read_limit_names")
        return frozenset((row["scope"], row["target"]) for row in rows)

    async def close_proven_breakers(self) -> list[str]:
        """Close the breakers that a task has tried with success; return their names."""
        rows = await self._upkeep.fetch("close_proven_breakers")
        return [row["name"] for row in rows]

    async def free(self, *, batch_size: int) -> int:
        """Queue tasks that wait for a limit which was lifted; return how many."""
        return await self._upkeep.fetch_value("free_held_up_tasks", batch_size)
