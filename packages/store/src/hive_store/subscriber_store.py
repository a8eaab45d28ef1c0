"""The places of readers of the log that have a name, and who reads under it: one at a time.

A name is held like a lease: for some seconds, renewed while its holder lives. Whatever its holder
writes names the holder, so that one that was frozen for longer changes nothing when it wakes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from hive_contracts.events import Cursor
from hive_store.line import Line

__all__ = ["NameHolder", "SubscriberStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NameHolder:
    """Who reads under a name."""

    host: str
    pid: int
    seconds: float
    """For how long at least."""


class SubscriberStore:
    """Subscribers in Postgres."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def hold(
        self,
        name: str,
        holder: UUID,
        *,
        host: str,
        pid: int,
        held: timedelta,
        begin: Cursor,
    ) -> Cursor | None:
        """Take a name; return how far it has come, or None while another has it.

        Args:
            name: known or new.
            holder: who takes it.
            host: where the holder runs.
            pid: in which process.
            held: for how long.
            begin: where a new name begins.
        """
        rows = await self._line.fetch(
            "hold_subscriber",
            name,
            holder,
            host,
            pid,
            held.total_seconds(),
            str(begin.xid),
            begin.id,
        )
        return Cursor(rows[0]["xid"], rows[0]["id"]) if rows else None

    async def holder_of(self, name: str) -> NameHolder | None:
        """Return who reads under a name; None if nobody does."""
        rows = await self._line.fetch("find_subscriber_holder", name)
        if not rows:
            return None
        return NameHolder(host=rows[0]["host"], pid=rows[0]["pid"], seconds=rows[0]["seconds"])

    async def renew(self, holders: Mapping[str, UUID], *, held: timedelta) -> set[str]:
        """Keep names for longer; return those that their holders still have."""
        rows = await self._line.fetch(
            "renew_subscribers", list(holders), list(holders.values()), held.total_seconds()
        )
        return {row["name"] for row in rows}

    async def move(self, name: str, holder: UUID, to: Cursor) -> bool:
        """Note how far a name has come; return whether its holder still has it."""
        rows = await self._line.fetch("move_subscriber", name, holder, str(to.xid), to.id)
        return bool(rows)

    async def free(self, name: str, holder: UUID) -> None:
        """Give a name back."""
        await self._line.fetch("free_subscriber", name, holder)
