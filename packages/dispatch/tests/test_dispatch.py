"""Bundles go from a sender to the receivers of their queues, at once and in one piece."""

import asyncio
import gc
import weakref
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from hive_contracts.bundles import Bundle
from hive_contracts.errors import ConfigurationError, StoreUnavailableError
from hive_contracts.ids import LeaseId
from hive_contracts.wire import encode_bundle
from hive_dispatch.keys import bell_key, queue_key
from hive_dispatch.receiver import BundleReceiver
from hive_dispatch.sender import BundleSender
from hive_testkit.waiting import until


def redis_client(url: str) -> Any:
    client_class: Any = Redis  # redis-py leaves its options untyped
    return client_class.from_url(url)


def bundle(queue: str = "default", size: int = 1) -> Bundle:
    return Bundle(lease_id=LeaseId(uuid4()), queue=queue, size=size)


async def room() -> int:
    return 100


class Accepted:
    """Remembers what was accepted, and lets a test wait for it."""

    def __init__(self) -> None:
        self.bundles: list[Bundle] = []
        self._changed = asyncio.Condition()

    async def accept(self, bundle: Bundle) -> None:
        async with self._changed:
            self.bundles.append(bundle)
            self._changed.notify_all()

    async def wait(self, count: int, *, seconds: float = 10) -> list[Bundle]:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.bundles) >= count)
        return self.bundles


def room_once_for(looks: asyncio.Semaphore) -> Callable[[], Awaitable[int]]:
    """Room for one bundle, each time that the semaphore lets somebody through."""

    async def wait_for_room() -> int:
        await looks.acquire()
        return 1

    return wait_for_room


def receiver(
    url: str,
    accept: Callable[[Bundle], Awaitable[None]],
    *,
    queue: str = "default",
    wait_for_room: Callable[[], Awaitable[int]] = room,
    max_bundles: int = 10,
    is_eager: Callable[[], bool] | None = None,
) -> BundleReceiver:
    return BundleReceiver(
        url,
        "hive",
        queue,
        accept=accept,
        wait_for_room=wait_for_room,
        max_bundles=max_bundles,
        is_eager=is_eager,
    )


@asynccontextmanager
async def running(*receivers: BundleReceiver) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in receivers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def until_asleep_at_the_bell(client: Any, *, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while (await client.info("clients"))["blocked_clients"] < count:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def until_lapsed(client: Any) -> None:
    async with asyncio.timeout(10):
        while await client.keys("arq:job:*"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_bundle_arrives_as_it_was_sent(redis_url: str) -> None:
    accepted, sent = Accepted(), bundle(size=200)
    async with BundleSender(redis_url) as sender, running(receiver(redis_url, accepted.accept)):
        await sender.send([sent], ttl_seconds=15)
        assert await accepted.wait(1) == [sent]


async def test_a_receiver_is_woken_far_sooner_than_it_would_poll(redis_url: str) -> None:
    accepted, seconds = Accepted(), list[float]()
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(receiver(redis_url, accepted.accept)),
    ):
        for number in range(1, 51):
            await until_asleep_at_the_bell(client)
            began = perf_counter()
            await sender.send([bundle()], ttl_seconds=15)
            await accepted.wait(number)
            seconds.append(perf_counter() - began)
    assert median(seconds) < 0.1


async def test_what_rings_is_taken_without_a_look(redis_url: str) -> None:
    accepted, looks = Accepted(), asyncio.Semaphore(1)
    woken = receiver(redis_url, accepted.accept, wait_for_room=room_once_for(looks))
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(woken),
    ):
        await until_asleep_at_the_bell(client)
        await client.config_resetstat()
        await sender.send([bundle()], ttl_seconds=15)
        await accepted.wait(1)
        assert "cmdstat_zrangebyscore" not in await client.info("commandstats")


async def test_what_somebody_waited_for_needs_nothing_but_its_stroke(redis_url: str) -> None:
    accepted, sent = Accepted(), bundle()
    stroke = b"hive:sender:1." + b64encode(encode_bundle(sent))
    async with (
        redis_client(redis_url) as client,
        running(receiver(redis_url, accepted.accept)),
    ):
        await until_asleep_at_the_bell(client)
        await client.rpush(bell_key("hive", "default"), stroke)
        assert await accepted.wait(1) == [sent]


async def test_what_a_stroke_has_handed_over_does_not_stay_in_redis(redis_url: str) -> None:
    accepted, sent = Accepted(), [bundle(), bundle()]
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(receiver(redis_url, accepted.accept)),
    ):
        for number, each in enumerate(sent, 1):
            await until_asleep_at_the_bell(client)
            await sender.send([each], ttl_seconds=15)
            await accepted.wait(number)
        await until_asleep_at_the_bell(client)
        assert await client.zcard(queue_key("hive", "default")) == 0
        assert await client.keys("arq:job:*") == []
    assert accepted.bundles == sent


async def test_nothing_is_kept_of_bundles_that_came_one_by_one_with_their_strokes(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_dispatch.bell_worker.POLL_SECONDS", 60)
    accepted, accepting = Accepted(), weakref.WeakSet[Any]()

    async def accept(each: Bundle) -> None:
        accepting.add(asyncio.current_task())
        await accepted.accept(each)

    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(receiver(redis_url, accept)),
    ):
        for number in range(1, 31):
            await until_asleep_at_the_bell(client)
            await sender.send([bundle()], ttl_seconds=15)
            await accepted.wait(number)
        await until_asleep_at_the_bell(client)
        gc.collect()
        assert len(accepting) < 5


async def test_bundles_without_a_stroke_are_found_by_those_that_others_have_woken(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_dispatch.bell_worker.POLL_SECONDS", 60)
    accepted, sent = Accepted(), [bundle() for _ in range(60)]
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(*(receiver(redis_url, accepted.accept) for _ in range(20))),
    ):
        await until_asleep_at_the_bell(client, count=20)
        await sender.send(sent, ttl_seconds=30)
        wanted = {each.lease_id for each in sent}
        await until(lambda: {each.lease_id for each in accepted.bundles} == wanted)


async def test_a_stroke_that_nobody_waited_for_hands_over_nothing_that_others_have_taken(
    redis_url: str,
) -> None:
    accepted, taken, left = Accepted(), bundle(), bundle()
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        await sender.send([taken], ttl_seconds=15)
        await client.delete(queue_key("hive", "default"), *await client.keys("arq:job:*"))
        await sender.send([left], ttl_seconds=15)
        async with running(receiver(redis_url, accepted.accept)):
            assert await accepted.wait(1) == [left]
            await until_asleep_at_the_bell(client)
        assert accepted.bundles == [left]


async def test_a_stroke_for_what_others_were_quicker_to_take_costs_nothing_but_a_look(
    redis_url: str,
) -> None:
    accepted, sent = Accepted(), bundle()
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        await client.rpush(bell_key("hive", "default"), *["hive:gone:1"] * 16)
        await sender.send([sent], ttl_seconds=15)
        async with running(receiver(redis_url, accepted.accept)):
            assert await accepted.wait(1) == [sent]


@pytest.mark.parametrize("stroke", [b"1", b"hive:1.x", b"hive:\xff.AA==", b"hive:1.AA=="])
async def test_a_stroke_that_names_no_job_of_ours_is_a_reason_to_look_and_no_more(
    redis_url: str, stroke: bytes
) -> None:
    accepted, sent = Accepted(), bundle()
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        await client.rpush(bell_key("hive", "default"), stroke)
        await client.set("arq:job:1", "somebody else's")
        await sender.send([sent], ttl_seconds=15)
        async with running(receiver(redis_url, accepted.accept)):
            assert await accepted.wait(1) == [sent]
        assert await client.get("arq:job:1") == b"somebody else's"


async def test_a_thousand_bundles_all_arrive_and_next_to_none_of_them_at_both_receivers(
    redis_url: str,
) -> None:
    """One that hears a stroke does not ask whether the other has found the bundle this moment."""
    accepted = Accepted()
    sent = [bundle() for _ in range(1000)]
    async with (
        BundleSender(redis_url) as sender,
        running(receiver(redis_url, accepted.accept), receiver(redis_url, accepted.accept)),
    ):
        for start in range(0, 1000, 50):
            await sender.send(sent[start : start + 50], ttl_seconds=30)
        wanted = {each.lease_id for each in sent}
        await until(lambda: {a.lease_id for a in accepted.bundles} == wanted, within_seconds=30)
    assert len(accepted.bundles) <= 1020


async def test_a_receiver_takes_only_from_its_own_queue(redis_url: str) -> None:
    gpu, default = Accepted(), Accepted()
    async with (
        BundleSender(redis_url) as sender,
        running(receiver(redis_url, gpu.accept, queue="gpu"), receiver(redis_url, default.accept)),
    ):
        sent = [bundle("gpu"), bundle("default")]
        await sender.send(sent, ttl_seconds=15)
        assert [await gpu.wait(1), await default.wait(1)] == [[sent[0]], [sent[1]]]


async def test_a_lease_that_is_sent_again_reaches_accept_again(redis_url: str) -> None:
    accepted, sent = Accepted(), bundle()
    async with BundleSender(redis_url) as sender, running(receiver(redis_url, accepted.accept)):
        await sender.send([sent], ttl_seconds=15)
        await sender.send([sent], ttl_seconds=15)
        assert await accepted.wait(2) == [sent, sent]


async def test_bundles_are_accepted_in_the_order_in_which_they_were_sent(redis_url: str) -> None:
    accepted, sent = Accepted(), [bundle() for _ in range(20)]
    async with BundleSender(redis_url) as sender:
        for each in sent:
            await sender.send([each], ttl_seconds=15)
        async with running(receiver(redis_url, accepted.accept, max_bundles=1)):
            assert await accepted.wait(20) == sent


async def test_nothing_is_taken_while_there_is_no_room(redis_url: str) -> None:
    accepted, has_room, asked = Accepted(), asyncio.Event(), asyncio.Event()

    async def wait_for_room() -> int:
        asked.set()
        await has_room.wait()
        return 100

    full = receiver(redis_url, accepted.accept, wait_for_room=wait_for_room)
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(full),
    ):
        await asked.wait()
        await sender.send([bundle()], ttl_seconds=15)
        assert await client.zcard(queue_key("hive", "default")) == 1
        assert accepted.bundles == []
        has_room.set()
        await accepted.wait(1)


async def test_who_is_not_eager_leaves_the_bell_to_others_and_takes_what_still_lies_there(
    redis_url: str,
) -> None:
    accepted, looks = Accepted(), asyncio.Semaphore(0)
    reluctant = receiver(
        redis_url, accepted.accept, wait_for_room=room_once_for(looks), is_eager=lambda: False
    )
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(reluctant),
    ):
        sent = bundle()
        await sender.send([sent], ttl_seconds=15)
        looks.release()
        assert await accepted.wait(1) == [sent]
        assert await client.llen(bell_key("hive", "default")) == 1


async def test_as_many_bundles_as_allowed_are_accepted_at_once_and_the_next_follow_at_once(
    redis_url: str,
) -> None:
    accepted, three = Accepted(), asyncio.Barrier(3)
    at_once = most = 0

    async def accept(each: Bundle) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await three.wait()
        at_once -= 1
        await accepted.accept(each)

    async with (
        BundleSender(redis_url) as sender,
        running(receiver(redis_url, accept, max_bundles=3)),
    ):
        await sender.send([bundle() for _ in range(30)], ttl_seconds=30)
        # Ten rounds of three, none of which may wait for a poll.
        await accepted.wait(30, seconds=3)
    assert most == 3


async def test_after_stop_taking_bundles_stay_for_others(redis_url: str) -> None:
    mine, other = Accepted(), Accepted()
    stopped = receiver(redis_url, mine.accept)
    async with (
        BundleSender(redis_url) as sender,
        redis_client(redis_url) as client,
        running(stopped),
    ):
        await until_asleep_at_the_bell(client)
        stopped.stop_taking()
        sent = [bundle(), bundle()]
        await sender.send(sent, ttl_seconds=15)
        async with running(receiver(redis_url, other.accept)):
            assert await other.wait(2) == sent
    assert mine.bundles == []


async def test_a_stopped_receiver_finishes_what_it_has_begun(redis_url: str) -> None:
    accepted, begun, go_on = Accepted(), asyncio.Event(), asyncio.Event()

    async def accept(each: Bundle) -> None:
        begun.set()
        await go_on.wait()
        await accepted.accept(each)

    stopped = receiver(redis_url, accept)
    async with BundleSender(redis_url) as sender, running(stopped):
        await sender.send([bundle()], ttl_seconds=15)
        await begun.wait()
        stopped.stop_taking()
        go_on.set()
        await accepted.wait(1)


async def test_an_unread_bundle_vanishes_when_its_lease_has_lapsed(redis_url: str) -> None:
    accepted, late = Accepted(), bundle()
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        await sender.send([bundle(), bundle()], ttl_seconds=0.05)
        await until_lapsed(client)
        async with running(receiver(redis_url, accepted.accept)):
            await sender.send([late], ttl_seconds=15)
            assert await accepted.wait(1) == [late]


async def test_ids_of_lapsed_bundles_do_not_pile_up_where_nobody_serves(redis_url: str) -> None:
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        await sender.send([bundle() for _ in range(100)], ttl_seconds=0.05)
        await until_lapsed(client)
        await sender.send([bundle()], ttl_seconds=15)
        assert await client.zcard(queue_key("hive", "default")) == 1
        assert await client.llen(bell_key("hive", "default")) <= 16


async def test_ids_that_a_dead_sender_has_left_hold_up_no_bundle(redis_url: str) -> None:
    accepted, sent = Accepted(), bundle()
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        left = {f"hive:gone:{number:010x}": 1 for number in range(2000)}
        await client.zadd(queue_key("hive", "default"), left)
        await sender.send([sent], ttl_seconds=15)
        async with running(receiver(redis_url, accepted.accept)):
            assert await accepted.wait(1) == [sent]


async def test_what_is_accepted_leaves_nothing_of_itself_in_redis(redis_url: str) -> None:
    accepted = Accepted()
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        async with running(receiver(redis_url, accepted.accept)):
            await sender.send([bundle() for _ in range(20)], ttl_seconds=15)
            await accepted.wait(20)
        assert await client.keys("arq:*") == []
        assert await client.zcard(queue_key("hive", "default")) == 0


async def test_a_bundle_whose_accept_found_the_store_away_is_left_to_lapse(redis_url: str) -> None:
    accepted, tries = Accepted(), list[Bundle]()
    first, second = bundle(), bundle()

    async def accept(each: Bundle) -> None:
        tries.append(each)
        if each == first:
            raise StoreUnavailableError("Postgres is away")
        await accepted.accept(each)

    lapsing = receiver(redis_url, accept)
    async with BundleSender(redis_url) as sender, running(lapsing):
        await sender.send([first], ttl_seconds=15)
        await sender.send([second], ttl_seconds=15)
        assert await accepted.wait(1) == [second]
    assert tries == [first, second]
    assert lapsing.left.lapsing == 1


async def test_any_other_error_of_accept_ends_the_receiver(redis_url: str) -> None:
    async def accept(_bundle: Bundle) -> None:
        raise LookupError("a bug")

    async with BundleSender(redis_url) as sender:
        await sender.send([bundle()], ttl_seconds=15)
        async with asyncio.timeout(5):
            with pytest.raises(ExceptionGroup) as caught:
                await receiver(redis_url, accept).run()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


async def test_a_bundle_that_is_not_understood_is_counted_and_left_to_lapse(
    redis_url: str,
) -> None:
    accepted, sent = Accepted(), bundle()
    old = receiver(redis_url, accepted.accept)
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client, running(old):
        await client.psetex("arq:job:newer", 60_000, b"\xffnot a bundle")
        await client.zadd(queue_key("hive", "default"), {"newer": 1})
        await sender.send([sent], ttl_seconds=15)
        assert await accepted.wait(1) == [sent]
        await until(lambda: old.left.malformed == 1)


async def test_bundles_of_many_queues_go_out_in_one_round_trip(redis_url: str) -> None:
    async with BundleSender(redis_url) as sender, redis_client(redis_url) as client:
        await sender.check_epoch()
        before = (await client.info("stats"))["total_reads_processed"]
        await sender.send([bundle(f"queue-{number % 5}") for number in range(20)], ttl_seconds=15)
        after = (await client.info("stats"))["total_reads_processed"]
    # One read for the bundles, one for the second look at the statistics.
    assert after - before == 2


def test_a_url_that_is_not_of_redis_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        BundleSender("postgres://x/")


async def test_a_cancellation_of_a_sender_is_never_swallowed(redis_url: str) -> None:
    async def send_for_ever(sender: BundleSender) -> None:
        while True:
            await sender.send([bundle()], ttl_seconds=1)

    async with BundleSender(redis_url) as sender:
        for ticks in range(60):
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                task = group.create_task(send_for_ever(sender))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                task.cancel()


async def test_a_cancellation_of_a_receiver_is_never_swallowed_and_leaves_nothing_open(
    redis_url: str,
) -> None:
    accepted = Accepted()
    async with BundleSender(redis_url) as sender:
        await sender.send([bundle() for _ in range(1000)], ttl_seconds=30)
        for ticks in range(0, 6000, 100):
            async with asyncio.timeout(5), running(receiver(redis_url, accepted.accept)):
                for _ in range(ticks):
                    await asyncio.sleep(0)
    assert accepted.bundles


async def test_no_more_is_taken_at_once_than_there_is_room_for(redis_url: str) -> None:
    accepted, may_end = Accepted(), asyncio.Event()

    async def accept(bundle: Bundle) -> None:
        await accepted.accept(bundle)
        await may_end.wait()

    async def wait_for_room() -> int:
        return 2

    async with BundleSender(redis_url, "hive") as sender:
        await sender.send([bundle() for _ in range(5)], ttl_seconds=30)
        async with running(receiver(redis_url, accept, wait_for_room=wait_for_room)):
            assert len(await accepted.wait(2)) == 2
            may_end.set()
            assert len(await accepted.wait(5)) == 5
