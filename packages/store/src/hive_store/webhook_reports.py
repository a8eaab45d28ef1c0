"""What people see of webhooks and of their deliveries: never a secret, and never what was sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from hive_store.line import Line

__all__ = ["PastDelivery", "WebhookReports", "WebhookSummary"]

BY_HAND: Final = "by hand"
"""The reason that `pause_webhook` writes."""


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

    @property
    def is_paused_by_hand(self) -> bool:
        """Whether somebody has paused it, and wants it so."""
        return self.pause_reason == BY_HAND


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


class WebhookReports:
    """Reports on webhooks over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

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

    async def deliveries(self, webhook_id: int, *, limit: int) -> list[PastDelivery]:
        """Return the last deliveries of a webhook, the latest first."""
        rows = await self._line.fetch("list_deliveries", webhook_id, limit)
        return [PastDelivery(**dict(row)) for row in rows]
