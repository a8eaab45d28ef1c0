"""Redis is killed, frozen, restarted; readers hear of it, publishers do not wait."""

import asyncio
import ssl
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from hive_bus.bus import Bus
from hive_bus.gap import Gap
from hive_contracts.errors import BusUnavailableError
from hive_contracts.events import CancelRequest
from hive_contracts.ids import TaskId
from hive_testkit.plugin import OwnServer
from hive_testkit.tls import Authority, running_tls_proxy


def cancel(number: int) -> CancelRequest:
    return CancelRequest((TaskId(number),))


async def until(frames: Any, wanted: object) -> list[object]:
    passed: list[object] = []
    async with asyncio.timeout(15):
        while not passed or passed[-1] != wanted:
            passed.append(await anext(frames))
    return passed


async def until_published(bus: Bus, frame: CancelRequest) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                return await bus.publish(frame)
            except BusUnavailableError:
                await asyncio.sleep(0.02)


async def until_dropped(bus: Bus, count: int) -> None:
    async with asyncio.timeout(15):
        while bus.dropped < count:  # noqa: ASYNC110 - the bus has no event for it
            await asyncio.sleep(0.005)


async def test_after_a_restart_a_reader_gets_a_gap_then_frames(
    own_redis: OwnServer,
) -> None:
    async with Bus.open(own_redis.url) as bus, bus.subscribe(CancelRequest) as frames:
        await bus.publish(cancel(1))
        assert await until(frames, cancel(1)) == [cancel(1)]
        await own_redis.kill()
        assert await until(frames, Gap()) == [Gap()]
        await own_redis.start()
        assert await until(frames, Gap()) == [Gap()]
        await until_published(bus, cancel(2))
        assert await until(frames, cancel(2)) == [cancel(2)]


async def test_a_frozen_redis_becomes_a_gap_within_seconds(own_redis: OwnServer) -> None:
    async with Bus.open(own_redis.url) as bus, bus.subscribe(CancelRequest) as frames:
        own_redis.pause()
        async with asyncio.timeout(5):
            assert await anext(frames) == Gap()
        with pytest.raises(BusUnavailableError):
            await bus.publish(cancel(1))
        own_redis.resume()
        await until(frames, Gap())
        await until_published(bus, cancel(2))
        await until(frames, cancel(2))


async def test_a_quiet_subscription_is_not_taken_for_a_lost_one(own_redis: OwnServer) -> None:
    async with Bus.open(own_redis.url) as bus, bus.subscribe(CancelRequest) as frames:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await anext(frames)
        await bus.publish(cancel(1))
        assert await until(frames, cancel(1)) == [cancel(1)]


async def test_a_subscription_made_without_redis_begins_with_a_gap(
    own_redis: OwnServer,
) -> None:
    await own_redis.kill()
    async with Bus.open(own_redis.url) as bus, bus.subscribe(CancelRequest) as frames:
        await own_redis.start()
        assert await until(frames, Gap()) == [Gap()]
        await until_published(bus, cancel(1))
        assert await until(frames, cancel(1)) == [cancel(1)]


async def test_what_is_told_without_redis_is_dropped_and_counted(
    own_redis: OwnServer,
) -> None:
    async with Bus.open(own_redis.url) as bus:
        await own_redis.kill()
        bus.tell(*(cancel(number) for number in range(100)))
        await until_dropped(bus, 100)
        await own_redis.start()
        async with bus.subscribe(CancelRequest) as frames:
            bus.tell(cancel(100))
            assert await until(frames, cancel(100)) == [cancel(100)]
        assert (bus.sent, bus.dropped) == (1, 100)


async def test_telling_never_waits_for_a_frozen_redis_and_keeps_only_the_newest(
    own_redis: OwnServer,
) -> None:
    async with Bus.open(own_redis.url, capacity=50) as bus:
        own_redis.pause()
        for number in range(1000):
            bus.tell(cancel(number))
        assert bus.dropped == 950
        own_redis.resume()
    assert bus.dropped == 950


async def test_a_bus_closes_also_when_redis_is_away(own_redis: OwnServer) -> None:
    async with asyncio.timeout(5), Bus.open(own_redis.url) as bus:
        await bus.publish(cancel(1))
        await own_redis.kill()
        bus.tell(*(cancel(number) for number in range(2000)))
    assert bus.dropped == 2000


@contextmanager
def frozen_at_will(place: Path, context: ssl.SSLContext) -> Generator[tuple[int, Event]]:
    """Give the port of TLS in front of a Redis, and what freezes it; with the context it ends."""
    port: Future[int] = Future()
    freezes, is_over = Event(), Event()

    async def serve() -> None:
        async with running_tls_proxy(place, context) as number:
            port.set_result(number)
            await asyncio.to_thread(freezes.wait)
            is_over.wait()

    with ThreadPoolExecutor(1) as threads:
        serving = threads.submit(asyncio.run, serve())
        try:
            yield port.result(timeout=10), freezes
        finally:
            freezes.set()
            is_over.set()
            serving.result(timeout=10)


async def test_a_reader_leaves_a_redis_that_is_frozen_behind_tls(
    own_redis: OwnServer, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    place = Path(urlsplit(own_redis.url).path)
    with frozen_at_will(place, authority.context_for("localhost")) as (port, freezes):
        url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority.file}"
        async with (
            asyncio.timeout(10),
            Bus.open(url) as bus,
            bus.subscribe(CancelRequest) as frames,
        ):
            await bus.publish(cancel(1))
            await until(frames, cancel(1))
            freezes.set()
