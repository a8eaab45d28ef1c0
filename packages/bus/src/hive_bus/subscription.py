"""One reader's view of the bus, for as long as the reader wants it and however often Redis goes.

The reader gets frames in the order in which Redis had them, and a `Gap` wherever some may be
missing:

1. when the connection is lost, because nobody knows what was said last;
2. when it is back, because nobody heard what was said meanwhile;
3. when the reader is slow, in place of the oldest frames, which are dropped.

A server that is frozen, or a connection whose other end is gone, says nothing at all. So a silence
of a second is broken by a ping, and a second second of silence is a loss.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final, Generic, Never, TypeVar, cast

from hive_bus.backoff import Backoff
from hive_bus.channels import channels_of
from hive_bus.connection import AWAY, asking, close, open_client, translated
from hive_bus.gap import Gap
from hive_bus.inbox import Inbox
from hive_contracts.errors import BusUnavailableError, MalformedMessageError
from hive_contracts.events import EventFrame, Frame
from hive_contracts.ids import TaskId
from hive_contracts.wire import decode_frame

__all__ = ["Subscription"]

FrameT = TypeVar("FrameT", bound=Frame)

SILENCE_SECONDS: Final = 1.0
INBOX_FRAMES: Final = 1000

log = logging.getLogger(__name__)


class Subscription(Generic[FrameT]):
    """An endless asynchronous iterator over frames and gaps, for one reader."""

    def __init__(
        self,
        url: str,
        prefix: str,
        frame_types: tuple[type[FrameT], ...],
        *,
        task_ids: Collection[TaskId] | None,
        skip: Callable[[], None],
        capacity: int = INBOX_FRAMES,
    ) -> None:
        """Make a subscription; `skip` is called for each message that is not understood."""
        self._url = url
        self._skip = skip
        self._frame_types = frame_types
        self._channels = [
            channel for kind in frame_types for channel in channels_of(kind, prefix, task_ids)
        ]
        self._task_ids = None if task_ids is None else frozenset(task_ids)
        self._inbox: Inbox[FrameT] = Inbox(capacity)
        self._client = open_client(url)
        self._tried = asyncio.Event()
        self._is_in_place = False
        self._has_failed = False
        self._backoff = Backoff()

    @property
    def dropped(self) -> int:
        """Frames that were dropped because the reader was slow."""
        return self._inbox.dropped

    def __aiter__(self) -> "Subscription[FrameT]":
        return self

    async def __anext__(self) -> FrameT | Gap:
        return await self._inbox.get()

    async def wait_until_tried(self) -> None:
        """Return when the subscription is in place, or Redis has turned out to be away."""
        await self._tried.wait()

    async def run(self) -> None:
        """Keep the subscription up until cancelled."""
        try:
            while True:
                try:
                    await self._listen()
                except BusUnavailableError as error:
                    self._note_loss(error)
                await asyncio.sleep(self._backoff.next_seconds())
        finally:
            await close(self._client)

    async def _listen(self) -> None:
        client: Any = self._client  # redis-py leaves the messages of a subscription untyped
        with translated(self._url):
            pubsub = client.pubsub()
            try:
                await self._take_messages(pubsub)
            finally:
                # With TLS a server that is frozen does not see to its part of the end. Said here,
                # that would turn our being cancelled into a loss, and we would go on.
                with suppress(*AWAY):
                    await pubsub.aclose()

    async def _take_messages(self, pubsub: Any) -> Never:
        async with asking(self._url):
            await pubsub.subscribe(*self._channels)
        unconfirmed = len(self._channels)
        while True:
            message = await self._hear(pubsub)
            if message["type"] == "message":
                self._take(message["data"])
            elif message["type"] == "subscribe":
                unconfirmed -= 1
                if not unconfirmed:
                    self._note_that_it_is_in_place()

    async def _hear(self, pubsub: Any) -> dict[str, Any]:
        message = await pubsub.get_message(timeout=SILENCE_SECONDS)
        if message is None:
            await pubsub.ping()
            message = await pubsub.get_message(timeout=SILENCE_SECONDS)
        if message is None:
            raise TimeoutError("it went silent and left a ping unanswered")
        return message

    def _take(self, data: bytes) -> None:
        try:
            frame = decode_frame(data)
        except MalformedMessageError:
            self._skip()
            return
        if not isinstance(frame, self._frame_types):
            self._skip()
            return
        if isinstance(frame, EventFrame) and self._task_ids is not None:
            frame = frame.of(self._task_ids)
        if frame is not None:
            self._inbox.put(cast("FrameT", frame))

    def _note_that_it_is_in_place(self) -> None:
        if self._has_failed:
            log.warning("subscribed to %s again", ", ".join(self._channels))
            self._inbox.put(Gap())
        self._has_failed = False
        self._is_in_place = True
        self._backoff.reset()
        self._tried.set()

    def _note_loss(self, error: BusUnavailableError) -> None:
        if not self._has_failed:
            log.warning("nothing is heard on %s: %s", ", ".join(self._channels), error)
        if self._is_in_place:
            self._inbox.put(Gap())
        self._has_failed = True
        self._is_in_place = False
        self._tried.set()
