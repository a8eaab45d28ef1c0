"""arq's worker as Hive uses it: woken by a bell, with everything left out that leases do better.

What it relies on inside arq 0.28, and `test_arq_internals.py` holds it to: the names and
parameters of `Worker.main`, `_poll_iteration` and `start_jobs`; the attributes `tasks`,
`job_counter`, `max_jobs` and `allow_pick_jobs`; and that a poll starts jobs through `start_jobs`,
sweeps ended ones out of `tasks`, and raises what they raised.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from arq.connections import ArqRedis
from arq.worker import Worker, func

from hive_dispatch.connection import ANSWER_SECONDS, asking
from hive_dispatch.keys import FUNCTION, bell_key, queue_key

__all__ = ["BellWorker", "Parcel"]

POLL_SECONDS: Final = 0.5
"""How long a worker waits at the bell; a stroke that was lost costs no more than this."""

LOOK_SECONDS: Final = 10.0
"""A look costs arq some 0.4 ms for each bundle that it starts; on a far network, a hundred more."""

FAREWELL_SECONDS: Final = 1.0


class Parcel:
    """The bytes of a bundle, opaque to arq.

    arq writes the repr of every argument for a log line; of a bundle that was 11 % of a worker.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return FUNCTION


class BellWorker(Worker):
    """arq's worker, but woken by a bell: arq's poll is the floor of its latency.

    It also waits for room before it looks, and so leaves to others what it could not begin; and it
    does not ask Redis about jobs that it is itself running, which arq does four times at each poll.

    It serves one connection's life. arq loses count of its free places when Redis goes away in the
    middle of a poll, so after an error it is put down and another one made.
    """

    def __init__(
        self,
        pool: ArqRedis,
        prefix: str,
        queue: str,
        *,
        take: Callable[[Parcel], Awaitable[None]],
        wait_for_room: Callable[[], Awaitable[int]],
        max_bundles: int,
    ) -> None:
        async def take_job(ctx: dict[Any, Any], parcel: Parcel) -> None:
            await take(parcel)

        # All that arq logs is a line per job, and errors that come out of `main` as well.
        logging.getLogger("arq").setLevel(logging.CRITICAL)
        super().__init__(
            [func(take_job, name=FUNCTION)],
            redis_pool=pool,
            queue_name=queue_key(prefix, queue),
            max_jobs=max_bundles,
            job_deserializer=_unpack,
            job_serializer=_forget,
            handle_signals=False,
            # Never reached: accepting has time limits of its own.
            job_timeout=timedelta(days=1),
            # Nothing is kept and nothing is tried again: a bundle that comes to grief lapses, and
            # its tasks come back in another one.
            keep_result=0,
            log_results=False,
            retry_jobs=False,
            # A job's id is new at every send, so that every try is its first.
            max_tries=1,
            allow_abort_jobs=False,
            # Never due: workers tell of their health in the store.
            health_check_interval=math.inf,
        )
        self._bell = bell_key(prefix, queue)
        self._wait_for_room = wait_for_room
        self._most_jobs = max_bundles
        self._started_last = 0
        self.looks = 0
        """How often it has looked into its queue."""

    async def main(self) -> None:
        """Take bundles until `allow_pick_jobs` is switched off.

        Raises:
            BusUnavailableError: Redis is away.
        """
        while self.allow_pick_jobs:
            # What is being accepted has not filled its room yet, so it counts against it here.
            self.max_jobs = min(await self._wait_for_room(), self._most_jobs)
            if self.job_counter >= self.max_jobs:
                await self._wait_for_one()
                continue
            # Where there was something there may be more: the bell is for those with nothing to do.
            # Otherwise every bundle would cost a stroke to hear, under load as well.
            if self._started_last or await self._hear_bell():
                async with asking("hand over bundles", seconds=LOOK_SECONDS):
                    await self._poll_iteration()
            self.looks += 1

    async def _wait_for_one(self) -> None:
        running = [task for task in self.tasks.values() if not task.done()]
        if running:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(0)  # ended, but arq has not counted it yet

    async def _hear_bell(self) -> bool:
        """Wait at the bell; return whether to look, which is no only when told to stop."""
        client: Any = self.pool  # redis-py's types do not tell its two kinds of client apart
        async with asking("ring", seconds=POLL_SECONDS + ANSWER_SECONDS):
            stroke = await client.blpop([self._bell], timeout=POLL_SECONDS)
            if stroke is not None and not self.allow_pick_jobs:
                await client.lpush(self._bell, "1")
        return self.allow_pick_jobs

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Start what is not running here yet."""
        already = len(self.tasks)
        await super().start_jobs([id_ for id_ in job_ids if id_.decode() not in self.tasks])
        self._started_last = len(self.tasks) - already

    async def finish(self) -> None:
        """Return when every job that was started has ended."""
        if self.tasks:
            await asyncio.wait(self.tasks.values())

    async def put_down(self) -> None:
        """Wait for arq's own tasks, and retrieve what they raised; `take` must be about to return.

        They are not cancelled: arq shields the end of a job, and what is shielded would go on
        alone. When Redis keeps them waiting, its connections are broken off.
        """
        tasks = list(self.tasks.values())
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=FAREWELL_SECONDS)
            if pending:
                await self.pool.aclose()
                await asyncio.wait(pending)
            for task in tasks:
                _ = task.cancelled() or task.exception()


def _unpack(data: bytes) -> dict[str, Any]:
    """Return a job in arq's words: its function, arguments, and no word of tries or times."""
    return {"f": FUNCTION, "a": (Parcel(data),), "k": {}, "t": None, "et": 0}


def _forget(_result: dict[str, Any]) -> bytes:
    """Return nothing for a result: arq would pickle the error of a job that had expired."""
    return b""
