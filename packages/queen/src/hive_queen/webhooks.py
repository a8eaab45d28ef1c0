"""Deliver events to webhooks: in the order of the log, at least once, each apart from the others.

    log ──▶ make up a delivery, move the webhook's place ──▶ POST ──▶ write how it went
                          (one statement)                     ▲              │
                                                              └── later ◀────┘ if it failed

A webhook has one delivery on its way at most, so that a task's later event never arrives before an
earlier one. Whichever queen takes a webhook delivers for some seconds and says so as she goes on;
when she dies, another sends what was pending again, under the same id. An endpoint that is slow or
dead costs its own place among those that are served at once, and is asked ever more rarely.
"""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Final, Never
from uuid import UUID, uuid4

from hive_contracts.errors import LostEventsError, UnavailableError
from hive_contracts.events import Cursor, Event, fields_of
from hive_contracts.outcomes import backoff
from hive_contracts.wire import encode_json
from hive_queen.posting import deliver
from hive_queen.settings import QueenSettings
from hive_store import EventLog, Line, Selector
from hive_store.delivery_store import Delivery, DeliveryStore, HeldWebhook
from hive_telemetry.logs import logger
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Webhooks"]

MOST_AT_ONCE: Final = 16
MOST_IN_A_ROW: Final = 100
"""Deliveries to one webhook before another may have its place."""

PAGE_EVENTS: Final = 1000
MOST_EVENTS: Final = 100
"""In one delivery."""

MOST_TASKS: Final = 20_000
"""In one delivery, an event that lists more by itself apart: some 200 KB."""

HELD: Final = timedelta(seconds=30)
POLL_SECONDS: Final = 0.5
FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=10)


class Webhooks:
    """Serves webhooks that no other queen has taken."""

    name = "webhooks"

    def __init__(self, line: Line, *, settings: QueenSettings, metrics: Metrics) -> None:
        self._store = DeliveryStore(line)
        self._log = EventLog(line)
        self._selector = Selector(line)
        self._patience = timedelta(days=settings.webhook_days)
        self._metrics = metrics
        self._served: set[asyncio.Task[None]] = set()

    async def run(self) -> Never:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as group:

            async def tick() -> float:
                return await self._tick(group)

            await keep_ticking(tick, name=self.name, metrics=self._metrics)
        raise RuntimeError("a loop returned")

    async def _tick(self, group: asyncio.TaskGroup) -> float:
        room = MOST_AT_ONCE - len(self._served)
        if room > 0:
            # A holder for each: one that is frozen in the middle is not taken for the next.
            holder = uuid4()
            for webhook in await self._store.hold(holder, held=HELD, limit=room):
                serving = group.create_task(self._serve(webhook, holder))
                self._served.add(serving)
                serving.add_done_callback(self._served.discard)
        return POLL_SECONDS

    async def _serve(self, webhook: HeldWebhook, holder: UUID) -> None:
        try:
            for _ in range(MOST_IN_A_ROW):
                if webhook.pending is None:
                    made = await self._make(webhook, holder)
                    if made is None:
                        return
                    webhook = made
                if webhook.pending is not None:
                    if not await self._try(webhook, webhook.pending, holder):
                        return
                    webhook = replace(webhook, pending=None)
            await self._store.free(webhook.id, holder)
        except UnavailableError as error:
            # It is held for some seconds more; then it is taken again, with what is pending.
            logger(__name__).warning("a webhook waits", webhook=webhook.id, error=str(error))

    async def _make(self, webhook: HeldWebhook, holder: UUID) -> HeldWebhook | None:
        """Read on in the log, and make up a delivery of what is wanted; None if nothing came."""
        note = None
        try:
            # What is read and does not fit into the delivery is read again for the next.
            limit = MOST_EVENTS if webhook.wanted.is_empty else PAGE_EVENTS
            page = await self._log.after(webhook.place, limit=limit)
            await self._log.check_kept(webhook.place)
        except LostEventsError as error:
            note, page = str(error), []
            place, wanted = error.go_on_at, list[Event]()
            logger(__name__).error("a webhook has missed events", webhook=webhook.id, error=note)
        else:
            if not page:
                await self._store.free(webhook.id, holder)
                return None
            wanted = await self._wanted(webhook, page)
            place = (wanted[-1] if len(wanted) == MOST_EVENTS else page[-1]).cursor or webhook.place
            wanted, place = _cut(wanted, place)
        delivery = _delivery(webhook.id, wanted, missed=note) if wanted or note else None
        is_held = await self._store.make(
            webhook.id,
            holder,
            held=HELD,
            place=place,
            delivery=delivery,
            events=len(wanted),
            note=note,
        )
        return replace(webhook, place=place, pending=delivery) if is_held else None

    async def _wanted(self, webhook: HeldWebhook, page: list[Event]) -> list[Event]:
        return (await webhook.wanted.pick(self._selector, page))[:MOST_EVENTS]

    async def _try(self, webhook: HeldWebhook, delivery: Delivery, holder: UUID) -> bool:
        """Send a delivery once, and write how it went; return whether to go on with the next."""
        answer = await deliver(webhook.target, delivery, now=await self._store.now())
        self._metrics.delivered("delivered" if answer.error is None else "failed")
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        is_paused = await self._store.end_try(
            webhook.id,
            holder,
            delivery,
            held=HELD,
            status=answer.status,
            error=answer.error,
            again=backoff(webhook.failures + 1, base=FIRST_PAUSE, cap=LONGEST_PAUSE, jitter=jitter),
            patience=self._patience,
            is_gone=answer.is_gone,
        )
        if is_paused:
            logger(__name__).error("a webhook is paused", webhook=webhook.id, error=answer.error)
        return answer.error is None and is_paused is not None


def _cut(wanted: list[Event], place: Cursor) -> tuple[list[Event], Cursor]:
    """Return the first of the events, as many as one delivery may hold, and the place behind."""
    tasks = 0
    for count, event in enumerate(wanted):
        tasks += len(event.task_ids)
        if tasks > MOST_TASKS and count:
            return wanted[:count], wanted[count - 1].cursor or place
    return wanted, place


def _delivery(webhook_id: int, events: list[Event], *, missed: str | None) -> Delivery:
    """Make up a delivery; its receiver is told if it has `missed` what came before."""
    delivery_id = uuid4()
    body: dict[str, object] = {
        "delivery": str(delivery_id),
        "webhook": webhook_id,
        "events": [fields_of(event) for event in events],
    }
    if missed is not None:
        body["missed"] = missed
    return Delivery(delivery_id, encode_json(body))
