"""What we rely on inside arq. When one of these fails, `bell_worker.py` must be looked at again."""

import asyncio
import inspect
from typing import Any

from arq import constants
from arq.connections import ArqRedis
from arq.worker import Worker, func


def arq_client(url: str) -> Any:
    client_class: Any = ArqRedis  # redis-py leaves its options untyped
    return client_class.from_url(url)


def names_of(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_methods_that_we_override_or_call_have_the_parameters_that_we_know() -> None:
    poll = Worker._poll_iteration  # pyright: ignore[reportPrivateUsage] - it is what we rely on
    assert names_of(Worker.main) == ["self"]
    assert names_of(poll) == ["self"]
    assert names_of(Worker.start_jobs) == ["self", "job_ids"]
    for coroutine in (Worker.main, poll, Worker.start_jobs):
        assert inspect.iscoroutinefunction(coroutine)


def test_a_job_is_kept_under_the_key_that_we_write() -> None:
    assert constants.job_key_prefix == "arq:job:"


async def nothing(_ctx: dict[Any, Any], _parcel: object) -> None:
    pass


class WatchedWorker(Worker):
    """arq's worker as it is, with its calls of `start_jobs` written down."""

    asked: list[bytes]

    async def poll(self) -> None:
        await self._poll_iteration()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        self.asked.extend(job_ids)
        await super().start_jobs(job_ids)


def worker(client: ArqRedis, coroutine: Any = nothing) -> WatchedWorker:
    made = WatchedWorker(
        [func(coroutine, name="f")],
        redis_pool=client,
        queue_name="q",
        max_jobs=1,
        keep_result=0,
        handle_signals=False,
        job_serializer=lambda _: b"",
        job_deserializer=lambda data: {"f": "f", "a": (data,), "k": {}, "t": None, "et": 0},
    )
    made.asked = []
    return made


async def put(client: Any, *job_ids: str) -> None:
    for job_id in job_ids:
        await client.psetex(constants.job_key_prefix + job_id, 60_000, b"the bundle")
        await client.zadd("q", {job_id: 1})


async def test_a_poll_starts_jobs_through_start_jobs_and_hands_them_the_bytes(
    redis_url: str,
) -> None:
    seen: list[object] = []

    async def take(_ctx: dict[Any, Any], data: object) -> None:
        seen.append(data)

    async with arq_client(redis_url) as client:
        await put(client, "one")
        polled = worker(client, take)
        await polled.poll()
        assert polled.asked == [b"one"]
        assert list(polled.tasks) == ["one"]
        await asyncio.wait(polled.tasks.values())
        assert seen == [b"the bundle"]
        await polled.poll()
        assert polled.tasks == {}
        assert await client.keys("*") == [b"q:health-check"]


async def test_a_poll_takes_no_more_than_there_is_place_for(redis_url: str) -> None:
    go_on = asyncio.Event()

    async def wait(_ctx: dict[Any, Any], _data: object) -> None:
        await go_on.wait()

    async with arq_client(redis_url) as client:
        await put(client, "one", "two")
        polled = worker(client, wait)
        await polled.poll()
        assert (polled.job_counter, polled.max_jobs, len(polled.tasks)) == (1, 1, 1)
        go_on.set()
        await asyncio.wait(polled.tasks.values())
        assert polled.job_counter == 0


async def test_a_poll_takes_nothing_once_picking_is_switched_off(redis_url: str) -> None:
    async with arq_client(redis_url) as client:
        await put(client, "one")
        polled = worker(client)
        polled.allow_pick_jobs = False
        await polled.poll()
        assert polled.asked == []


async def test_a_job_that_expired_ends_without_its_function_and_leaves_the_queue(
    redis_url: str,
) -> None:
    async def never(_ctx: dict[Any, Any], _data: object) -> None:
        raise AssertionError

    async with arq_client(redis_url) as client:
        await client.zadd("q", {"gone": 1})
        polled = worker(client, never)
        await polled.poll()
        await asyncio.wait(polled.tasks.values())
        assert await client.zcard("q") == 0
