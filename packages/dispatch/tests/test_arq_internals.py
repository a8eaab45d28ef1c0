"""What we rely on inside arq. When one of these fails, `bell_worker.py` must be looked at again."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
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


async def nothing(ctx: dict[Any, Any]) -> None:
    pass


class WatchedWorker(Worker):
    """arq's worker as it is, but that starting a job is a task of ours."""

    def __init__(self, client: ArqRedis, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__(
            [func(nothing, name="f")],
            redis_pool=client,
            queue_name="q",
            max_jobs=1,
            handle_signals=False,
        )
        self.asked: list[bytes] = []
        self._start_one = start

    async def poll(self) -> None:
        await self._poll_iteration()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        self.asked.extend(job_ids)
        for job_id in job_ids:
            self.tasks[job_id.decode()] = asyncio.get_running_loop().create_task(self._start_one())


async def return_at_once() -> None:
    pass


async def test_a_poll_starts_jobs_through_start_jobs_and_sweeps_ended_ones(redis_url: str) -> None:
    async with arq_client(redis_url) as client:
        await client.zadd("q", {"one": 1, "two": 2})
        polled = WatchedWorker(client, return_at_once)
        await polled.poll()
        assert polled.asked == [b"one", b"two"]
        await client.delete("q")
        await asyncio.wait(polled.tasks.values())
        await polled.poll()
        assert polled.tasks == {}


async def test_a_poll_raises_what_a_job_raised(redis_url: str) -> None:
    async def fall() -> None:
        raise LookupError

    async with arq_client(redis_url) as client:
        await client.zadd("q", {"one": 1})
        polled = WatchedWorker(client, fall)
        await polled.poll()
        await client.delete("q")
        await asyncio.wait(polled.tasks.values())
        with pytest.raises(LookupError):
            await polled.poll()


async def test_a_poll_looks_for_nothing_without_a_place(redis_url: str) -> None:
    async with arq_client(redis_url) as client:
        await client.zadd("q", {"one": 1})
        polled = WatchedWorker(client, return_at_once)
        polled.job_counter = polled.max_jobs
        await polled.poll()
        assert polled.asked == []


async def test_a_poll_takes_nothing_once_picking_is_switched_off(redis_url: str) -> None:
    async with arq_client(redis_url) as client:
        await client.zadd("q", {"one": 1})
        polled = WatchedWorker(client, return_at_once)
        polled.allow_pick_jobs = False
        await polled.poll()
        assert polled.asked == []
