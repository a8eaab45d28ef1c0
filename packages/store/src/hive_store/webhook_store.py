"""Webhooks in Postgres, as their owners manage them: where they lead, and what they want.

Who adds a webhook has queens send requests, so only the owner of the schema may (`roles.sql`); and
whatever is done to one is written down in `hive.audit`.
"""

from dataclasses import dataclass

from hive_store.deeds import Actor
from hive_store.event_filter import EventFilter
from hive_store.line import Line

__all__ = ["Target", "WebhookStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where deliveries go."""

    url: str
    secret: str | None
    """What signs them; None if nothing does."""

    def __repr__(self) -> str:
        return f"Target(url={self.url!r})"


class WebhookStore:
    """Webhooks over a line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def add(self, target: Target, wanted: EventFilter, *, actor: Actor) -> int:
        """Add a webhook for what happens from now on; return its id."""
        return await self._line.fetch_value(
            "add_webhook",
            target.url,
            target.secret,
            sorted(wanted.types),
            wanted.group,
            wanted.queue,
            wanted.kind,
            *actor,
        )

    async def target_of(self, webhook_id: int) -> tuple[Target, int] | None:
        """Return where a webhook leads, and the database's Unix time; None if there is none."""
        rows = await self._line.fetch("read_webhook_secret", webhook_id)
        if not rows:
            return None
        return Target(url=rows[0]["url"], secret=rows[0]["secret"]), rows[0]["now"]

    async def remove(self, webhook_id: int, *, actor: Actor) -> bool:
        """Remove a webhook; return whether there was one."""
        return bool(await self._line.fetch("remove_webhook", webhook_id, *actor))

    async def pause(self, webhook_id: int, *, actor: Actor) -> bool:
        """Deliver nothing more to a webhook; return whether there is one."""
        return bool(await self._line.fetch("pause_webhook", webhook_id, *actor))

    async def resume(self, webhook_id: int, *, skips: bool, actor: Actor) -> bool:
        """Deliver to a webhook again; return whether there is one.

        Args:
            webhook_id: which.
            skips: whether to give up what is pending.
            actor: who does.
        """
        return bool(await self._line.fetch("resume_webhook", webhook_id, skips, *actor))
