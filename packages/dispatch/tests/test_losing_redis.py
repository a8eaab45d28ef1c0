"""Redis is killed, flushed, frozen; senders say so, receivers go on when it is back."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from hive_contracts.bundles import Bundle
from hive_contracts.errors import BusUnavailableError
from hive_contracts.ids import LeaseId
from hive_dispatch.receiver import BundleReceiver
from hive_dispatch.sender import BundleSender
from hive_testkit.plugin import OwnServer


def bundle() -> Bundle:
    return Bundle(lease_id=LeaseId(uuid4()), queue="default", size=1)


async def room() -> int:
    return 100


class Serving:
    """A receiver that runs until the test ends, and the bundles that it has accepted."""

    def __init__(self, url: str) -> None:
        self.arrived: asyncio.Queue[Bundle] = asyncio.Queue()
        self.receiver = BundleReceiver(
            url,
            "hive",
            "default",
            accept=self.arrived.put,
            wait_for_room=room,
            max_bundles=4,
        )

    async def __aenter__(self) -> "Serving":
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self.receiver.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)

    async def take(self) -> Bundle:
        async with asyncio.timeout(15):
            return await self.arrived.get()


async def send_when_back(sender: BundleSender, sent: Bundle) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                return await sender.send([sent], ttl_seconds=15)
            except BusUnavailableError:
                await asyncio.sleep(0.02)


async def test_the_first_look_at_the_epoch_finds_redis_without_memory_of_us(redis_url: str) -> None:
    async with BundleSender(redis_url) as sender:
        assert [await sender.check_epoch() for _ in range(3)] == [True, False, False]


async def test_after_a_flush_later_bundles_arrive_and_each_sender_hears_of_it_once(
    redis_url: str,
) -> None:
    client_class: Any = Redis  # redis-py leaves its options untyped
    async with (
        BundleSender(redis_url) as one,
        BundleSender(redis_url) as two,
        client_class.from_url(redis_url) as client,
        Serving(redis_url) as serving,
    ):
        await one.check_epoch()
        await two.check_epoch()
        await one.send([bundle()], ttl_seconds=15)
        await serving.take()
        await client.flushall()
        assert [await one.check_epoch(), await one.check_epoch()] == [True, False]
        assert [await two.check_epoch(), await two.check_epoch()] == [True, False]
        sent = bundle()
        await one.send([sent], ttl_seconds=15)
        assert await serving.take() == sent


async def test_a_receiver_outlives_a_redis_that_is_killed_and_restarted(
    own_redis: OwnServer,
) -> None:
    async with BundleSender(own_redis.url) as sender, Serving(own_redis.url) as serving:
        for _ in range(3):
            sent = bundle()
            await send_when_back(sender, sent)
            assert await serving.take() == sent
            await own_redis.kill()
            with pytest.raises(BusUnavailableError, match="Redis did not take bundles"):
                await sender.send([bundle()], ttl_seconds=15)
            await own_redis.start()
            assert await sender.check_epoch()


async def test_a_receiver_may_be_started_before_redis(own_redis: OwnServer) -> None:
    await own_redis.stop()
    async with BundleSender(own_redis.url) as sender, Serving(own_redis.url) as serving:
        with pytest.raises(BusUnavailableError, match="Redis did not show its epoch"):
            await sender.check_epoch()
        await own_redis.start()
        sent = bundle()
        await sender.send([sent], ttl_seconds=15)
        assert await serving.take() == sent


async def test_a_receiver_outlives_a_redis_that_is_frozen(own_redis: OwnServer) -> None:
    async with BundleSender(own_redis.url) as sender, Serving(own_redis.url) as serving:
        await sender.send([bundle()], ttl_seconds=15)
        await serving.take()
        own_redis.pause()
        with pytest.raises(BusUnavailableError):
            await sender.send([bundle()], ttl_seconds=15)
        own_redis.resume()
        sent = bundle()
        await sender.send([sent], ttl_seconds=15)
        async with asyncio.timeout(15):
            while await serving.arrived.get() != sent:
                pass


async def test_an_accept_under_way_is_not_disturbed_when_redis_is_killed(
    own_redis: OwnServer,
) -> None:
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def accept(_bundle: Bundle) -> None:
        begun.set()
        await go_on.wait()
        ended.set()

    serving = BundleReceiver(
        own_redis.url, "hive", "default", accept=accept, wait_for_room=room, max_bundles=2
    )
    async with BundleSender(own_redis.url) as sender, asyncio.TaskGroup() as group:
        task = group.create_task(serving.run())
        await sender.send([bundle()], ttl_seconds=15)
        await begun.wait()
        await own_redis.kill()
        await own_redis.start()
        begun.clear()
        # A second bundle begins while the first is still being accepted: the connection is new.
        await sender.send([bundle()], ttl_seconds=15)
        async with asyncio.timeout(10):
            await begun.wait()
        go_on.set()
        async with asyncio.timeout(5):
            await ended.wait()
        task.cancel()


async def test_a_receiver_ends_promptly_while_redis_is_frozen(own_redis: OwnServer) -> None:
    async with BundleSender(own_redis.url) as sender, asyncio.timeout(10):
        async with Serving(own_redis.url) as serving:
            await sender.send([bundle()], ttl_seconds=15)
            await serving.take()
            own_redis.pause()
        own_redis.resume()
