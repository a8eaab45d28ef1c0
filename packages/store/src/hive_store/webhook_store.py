"""Webhooks in Postgres: who is told of events, how far each has been told, and what is pending.

Each webhook has a place in the log and one pending delivery at most. The delivery is made up and
the place moved in one statement, so that nothing is left out and nothing is told under two ids.
Queens take webhooks for some seconds at a time; whatever they write names them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hive_contracts.events import Cursor, EventType
from hive_store.event_filter import EventFilter
from hive_store.line import Line

__all__ = ["Delivery", "HeldWebhook", "PastDelivery", "Target", "WebhookStore", "WebhookSummary"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to be sent, always the same under its id."""

    id: UUID
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where deliveries go."""

    url: str
    secret: str | None
    """What signs them; None if nothing does."""

    def __repr__(self) -> str:
        return f"Target(url={self.url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWebhook:
    """A webhook in a queen's hands."""

    id: int
    target: Target
    wanted: EventFilter
    place: Cursor
    failures: int
    pending: Delivery | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSummary:
    """What people see of a webhook."""

    id: int
    url: str
    is_signed: bool
    types: tuple[str, ...]
    group: str | None
    queue: str | None
    kind: str | None
    created_at: datetime
    failures: int
    failing_since: datetime | None
    last_error: str | None
    paused_at: datetime | None
    pause_reason: str | None
    pending_seconds: float | None
    """How long its pending delivery has been pending; None if it has none."""

    @property
    def state(self) -> str:
        """How it fares, in a word."""
        return "paused" if self.paused_at else "failing" if self.failing_since else "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDelivery:
    """What came of a delivery so far."""

    id: UUID
    events: int
    tries: int
    created_at: datetime
    ended_at: datetime | None
    is_given_up: bool
    status: int | None
    error: str | None

    @property
    def state(self) -> str:
        """What became of it, in a word."""
        if self.ended_at is None:
            return "pending"
        return "given up" if self.is_given_up else "delivered"


class WebhookStore:
    """Webhooks over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def add(self, target: Target, wanted: EventFilter) -> int:
        """Add a webhook for what happens from now on; return its id."""
        return await self._line.fetch_value(
            "add_webhook",
            target.url,
            target.secret,
            sorted(wanted.types),
            wanted.group,
            wanted.queue,
            wanted.kind,
        )

    async def all(self) -> list[WebhookSummary]:
        """Return every webhook."""
        return [
            WebhookSummary(
                id=row["id"],
                url=row["url"],
                is_signed=row["is_signed"],
                types=tuple(row["types"]),
                group=row["group_name"],
                queue=row["queue"],
                kind=row["kind"],
                created_at=row["created_at"],
                failures=row["failures"],
                failing_since=row["failing_since"],
                last_error=row["last_error"],
                paused_at=row["paused_at"],
                pause_reason=row["pause_reason"],
                pending_seconds=row["pending_seconds"],
            )
            for row in await self._line.fetch("list_webhooks")
        ]

    async def target_of(self, webhook_id: int) -> tuple[Target, int] | None:
        """Return where a webhook leads, and the database's Unix time; None if there is none."""
        rows = await self._line.fetch("read_webhook_secret", webhook_id)
        if not rows:
            return None
        return Target(url=rows[0]["url"], secret=rows[0]["secret"]), rows[0]["now"]

    async def now(self) -> int:
        """Return the database's Unix time, in seconds."""
        moment: datetime = await self._line.fetch_value("read_clock")
        return int(moment.timestamp())

    async def remove(self, webhook_id: int) -> bool:
        """Remove a webhook; return whether there was one."""
        return bool(await self._line.fetch("remove_webhook", webhook_id))

    async def pause(self, webhook_id: int) -> bool:
        """Deliver nothing more to a webhook; return whether there is one."""
        return bool(await self._line.fetch("pause_webhook", webhook_id))

    async def resume(self, webhook_id: int, *, skips: bool) -> bool:
        """Deliver to a webhook again; return whether there is one.

        Args:
            webhook_id: which.
            skips: whether to give up what is pending.
        """
        return bool(await self._line.fetch("resume_webhook", webhook_id, skips))

    async def deliveries(self, webhook_id: int, *, limit: int) -> list[PastDelivery]:
        """Return the last deliveries of a webhook, the latest first."""
        rows = await self._line.fetch("list_deliveries", webhook_id, limit)
        return [PastDelivery(**dict(row)) for row in rows]

    async def hold(self, holder: UUID, *, held: timedelta, limit: int) -> list[HeldWebhook]:
        """Take webhooks that have something to deliver."""
        rows = await self._line.fetch("hold_webhooks", holder, held.total_seconds(), limit)
        return [
            HeldWebhook(
                id=row["id"],
                target=Target(url=row["url"], secret=row["secret"]),
                wanted=EventFilter(
                    types=_types(row["types"]),
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

    async def forget_deliveries(self, *, ended: timedelta, limit: int) -> int:
        """Forget deliveries that ended longer ago; return how many."""
        return await self._line.fetch_value("forget_deliveries", ended.total_seconds(), limit)


def _types(words: Collection[str]) -> frozenset[EventType]:
    return frozenset(map(EventType, words))
