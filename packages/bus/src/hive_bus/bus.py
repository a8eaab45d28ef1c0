"""Frames between processes, over Redis pub/sub.

Everything on the bus is a hint: it may be lost, and what matters is in the store. Two ways to speak
differ in who waits: `publish` waits for Redis and says when it is away, `tell` never waits.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from hive_bus.beside import beside
from hive_bus.channels import channel_of
from hive_bus.connection import asking, close, open_client
from hive_bus.faults import Fault, fault_in
from hive_bus.redis_py import Redis
from hive_bus.subscription import INBOX_FRAMES, Subscription
from hive_bus.teller import Message, Teller
from hive_contracts.events import Frame
from hive_contracts.ids import TaskId
from hive_contracts.wire import encode_frame

__all__ = ["Bus"]

FrameT = TypeVar("FrameT", bound=Frame)

TOLD_FRAMES: Final = 10_000
"""Most frames that wait to be sent; at some 300 bytes each that is 3 MB."""


class Bus:
    """Publishes frames and subscribes to them. Get one from `open`."""

    def __init__(self, url: str, prefix: str, client: Redis, capacity: int) -> None:
        self._url = url
        self._prefix = prefix
        self._client = client
        self._teller = Teller(self._send, capacity=capacity)
        self.sent = 0
        """Messages that Redis took, told and published ones."""
        self.malformed = 0
        """Messages that subscriptions skipped because this Hive does not understand them."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, prefix: str = "hive", capacity: int = TOLD_FRAMES
    ) -> "AsyncGenerator[Bus]":
        """Give a bus, also while Redis is away; after a body without error, send what was told.

        Args:
            url: `redis://`, `rediss://` or `unix:///path?db=0`.
            prefix: first part of every channel's name; Hives with different ones are apart.
            capacity: most told frames that wait to be sent.

        Raises:
            ConfigurationError: the URL cannot be read.
        """
        client = open_client(url)
        bus = cls(url, prefix, client, capacity)
        teller = bus._teller
        try:
            async with beside(teller.run(), name="tell the bus", stop=teller.close):
                yield bus
        finally:
            await close(client)

    @property
    def dropped(self) -> int:
        """Told frames that were not sent: too many waited, or Redis was away."""
        return self._teller.dropped

    async def publish(self, *frames: Frame) -> None:
        """Send `frames` in one round trip, in this order.

        Raises:
            BusUnavailableError: Redis did not take them, or not all of them.
        """
        await self._send([self._message(frame) for frame in frames])

    def tell(self, *frames: Frame) -> None:
        """Have `frames` sent soon, in this order, and return at once.

        Frames told in quick succession share a round trip. None is sent twice. What cannot be sent
        is counted in `dropped`.
        """
        self._teller.tell(self._message(frame) for frame in frames)

    @asynccontextmanager
    async def subscribe(
        self,
        frame_type: type[FrameT],
        *more: type[FrameT],
        task_ids: Collection[TaskId] | None = None,
        capacity: int = INBOX_FRAMES,
    ) -> AsyncGenerator[Subscription[FrameT]]:
        """Give an endless iterator over frames of these types, with a `Gap` where some may lack.

        On entering, the subscription is in place, so that what is read from the store afterwards
        and what the iterator gives overlap. If Redis is away, a `Gap` tells later that it is now in
        place. It outlives every loss of Redis.

        Args:
            frame_type: what to listen to.
            more: what else to listen to.
            task_ids: the only tasks of interest; other tasks are cut out of event frames. To be
                named for what is said with a task, which has channels of its own.
            capacity: most frames kept for a reader who is slow, at least 2.
        """
        kinds = (frame_type, *more)
        subscription = Subscription(
            self._url,
            self._prefix,
            kinds,
            task_ids=task_ids,
            capacity=capacity,
            skip=self._skip,
        )
        async with beside(subscription.run(), name="listen to the bus"):
            await subscription.wait_until_tried()
            yield subscription

    async def ping(self) -> str:
        """Return which server answers, such as `valkey 9.1.2`.

        Raises:
            BusUnavailableError: none does; the message names the URL, without its password.
        """
        info = await self._info("server")
        name = info.get("server_name", "redis")
        return f"{name} {info.get(f'{name}_version', info['redis_version'])}"

    async def find_fault(self) -> Fault | None:
        """Return what keeps the server from serving a Hive though it answers; None if nothing does.

        Raises:
            BusUnavailableError: it does not answer.
        """
        return fault_in(await self._info())

    async def _info(self, *sections: str) -> dict[str, Any]:
        client: Any = self._client  # redis-py leaves what INFO returns untyped
        async with asking(self._url):
            return await client.info(*sections)

    def _skip(self) -> None:
        self.malformed += 1

    def _message(self, frame: Frame) -> Message:
        return channel_of(frame, self._prefix), encode_frame(frame)

    async def _send(self, messages: Sequence[Message]) -> None:
        pipeline: Any = self._client.pipeline(transaction=False)
        for channel, data in messages:
            pipeline.execute_command("PUBLISH", channel, data)
        async with asking(self._url):
            await pipeline.execute()
        self.sent += len(messages)
