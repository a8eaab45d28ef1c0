"""Deliveries to webhooks in Postgres: how far each webhook has been told, and what is pending.

Each webhook has a place in the log and one pending delivery at most. The delivery is made up and
the place moved in one statement, so that nothing is left out and nothing is told under two ids.
Queens take webhooks for some seconds at a time; whatever they write names them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hive_contracts.events import Cursor
from hive_store.event_filter import EventFilter
from hive_store.line import Line
from hive_store.webhook_store import Target

__all__ = ["Delivery", "DeliveryStore", "HeldWebhook"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be sent, always the same under its id."""

    id: UUID
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWebhook:
    """A webhook in a queen's hands."""

    id: int
    target: Target
    wanted: EventFilter
    place: Cursor
    failures: int
    pending: Delivery | None


class DeliveryStore:
    """What a queen does for webhooks, over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def now(self) -> int:
        """Return the database's Unix time, in seconds."""
        moment: datetime = await self._line.fetch_value("read_clock")
        return int(moment.timestamp())

    async def hold(self, holder: UUID, *, held: timedelta, limit: int) -> list[HeldWebhook]:
        """Take webhooks that have something to deliver."""
        rows = await self._line.fetch("hold_webhooks", holder, held.total_seconds(), limit)
        return [
            HeldWebhook(
                id=row["id"],
                target=Target(url=row["url"], secret=row["secret"]),
                wanted=EventFilter(
                    types=frozenset(row["types"]),
                    group=row["group_name"],
                    queue=row["queue"],
                    kind=row["kind"],
                ),
                place=Cursor(row["xid"], row["event_id"]),
                failures=row["failures"],
                pending=Delivery(row["delivery_id"], row["body"]) if row["delivery_id"] else None,
            )
            for row in rows
        ]

    async def make(
        self,
        webhook_id: int,
        holder: UUID,
        *,
        held: timedelta,
        place: Cursor,
        delivery: Delivery | None,
        events: int,
        note: str | None = None,
    ) -> bool:
        """Move a webhook's place, and keep what is to be delivered; return whether it is held.

        Args:
            webhook_id: which.
            holder: who holds it.
            held: for how much longer.
            place: the end of what was read of the log.
            delivery: what is wanted of it; None if nothing is.
            events: how many events that is.
            note: what people should know of it.
        """
        rows = await self._line.fetch(
            "make_delivery",
            webhook_id,
            holder,
            held.total_seconds(),
            str(place.xid),
            place.id,
            delivery.id if delivery else None,
            delivery.body if delivery else None,
            events,
            note,
        )
        return bool(rows)

    async def end_try(
        self,
        webhook_id: int,
        holder: UUID,
        delivery: Delivery,
        *,
        held: timedelta,
        status: int | None,
        error: str | None,
        again: timedelta,
        patience: timedelta,
        is_gone: bool,
    ) -> bool | None:
        """Write what came of a try; return whether the webhook is paused now, None if not held.

        Args:
            webhook_id: which.
            holder: who holds it.
            delivery: what was sent.
            held: for how much longer, if it is delivered.
            status: of the answer, if there was one.
            error: why it is not delivered; None if it is.
            again: after how long to try again.
            patience: a webhook that has failed for longer is paused.
            is_gone: whether the receiver wants no more.
        """
        return await self._line.fetch_value(
            "end_try",
            webhook_id,
            holder,
            held.total_seconds(),
            delivery.id,
            status,
            error,
            again.total_seconds(),
            patience.total_seconds(),
            is_gone,
        )

    async def free(self, webhook_id: int, holder: UUID) -> None:
        """Let another take a webhook."""
        await self._line.fetch("free_webhook", webhook_id, holder)

    async def forget(self, *, ended: timedelta, limit: int) -> int:
        """Forget deliveries that ended longer ago; return how many."""
        return await self._line.fetch_value("forget_deliveries", ended.total_seconds(), limit)
