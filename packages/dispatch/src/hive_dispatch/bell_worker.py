"""arq's worker as Hive uses it: woken by a bell, with everything left out that leases do better.

arq marks each job as in progress, runs it, and clears the mark: eleven commands in six round trips,
a millisecond, so that no two workers run one job. Of a bundle that is what its lease is for. So a
bundle is taken out of Redis, in one round trip with all others that there is room for, and whether
it is run is decided by the accept. Who waits at the bell has the bundle from the bell itself.

What it relies on inside arq 0.28, and `test_arq_internals.py` holds it to: the names and
parameters of `Worker.main`, `_poll_iteration` and `start_jobs`; the attributes `tasks`,
`job_counter`, `max_jobs` and `allow_pick_jobs`; and that a poll starts jobs through `start_jobs`,
sweeps ended ones out of `tasks`, and raises what they raised.
"""

import asyncio
import logging
import math
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.worker import Worker, func

from hive_dispatch.connection import ANSWER_SECONDS, asking
from hive_dispatch.keys import FUNCTION, bell_key, queue_key

__all__ = ["BellWorker"]

POLL_SECONDS: Final = 0.5
"""How long a worker waits at the bell; a stroke that was lost costs no more than this."""

LOOK_SECONDS: Final = 10.0
"""A look is two round trips, however much it finds; on a far network they may be slow ones."""

ROUNDS_UNTIL_SENT: Final = 2
"""Of the event loop, until the accept of a bundle that has begun is on its way to Postgres, as a
rule: in the first it reaches who gathers accepts, who sends them in the second. A task waits for
that, and for nothing that is done in Redis afterwards."""


class _Stroke(NamedTuple):
    """What rings: a job, and its bundle."""

    name: str
    bundle: bytes
    is_new: bool
    """Whether somebody waited for it: what lay there may long have been taken."""


class BellWorker(Worker):
    """arq's worker, but woken by a bell: arq's poll is the floor of its latency.

    It also waits for room before it looks, and so leaves to others what it could not begin.

    It serves one connection's life: when Redis goes away it falls, and another one is made. What it
    has started goes on without it.
    """

    def __init__(
        self,
        pool: ArqRedis,
        prefix: str,
        queue: str,
        *,
        start: Callable[[bytes], asyncio.Task[None]],
        wait_for_room: Callable[[], Awaitable[int]],
        max_bundles: int,
        is_eager: Callable[[], bool] | None = None,
    ) -> None:
        # All that arq logs is a line per job, and errors that come out of `main` as well.
        logging.getLogger("arq").setLevel(logging.CRITICAL)
        super().__init__(
            [func(_never, name=FUNCTION)],
            redis_pool=pool,
            queue_name=queue_key(prefix, queue),
            max_jobs=max_bundles,
            handle_signals=False,
            allow_abort_jobs=False,
            # Never due: workers tell of their health in the store.
            health_check_interval=math.inf,
        )
        self._start = start
        self._bell = bell_key(prefix, queue)
        self._own_jobs = f"{prefix}:".encode()
        self._wait_for_room = wait_for_room
        self._most_jobs = max_bundles
        self._is_eager = is_eager
        self._has_found = False
        self.looks = 0
        """How often it has looked into its queue, or taken what rang."""

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
            waits = not self._has_found and self._waits_at_bell()
            stroke = await self._hear_bell() if waits else None
            if stroke is not None and stroke.is_new and self.allow_pick_jobs:
                # Nobody else has it yet; but for one who looks this moment, and has the same lease
                # accepted: then one of the two accepts does nothing.
                self._begin(stroke.name, stroke.bundle)
                for _ in range(ROUNDS_UNTIL_SENT):
                    await asyncio.sleep(0)
                await self._remove(stroke.name)
            elif self.allow_pick_jobs:
                async with asking("hand over bundles", seconds=LOOK_SECONDS):
                    if stroke is None:
                        await self._poll_iteration()
                    else:
                        # What rang is taken without a look; if others were quicker, a look follows.
                        await self.start_jobs([stroke.name.encode()])
            self.looks += 1

    def _waits_at_bell(self) -> bool:
        """Return whether to hear of what comes; else what others hear of is left to them."""
        return self._is_eager is None or self._is_eager()

    async def _wait_for_one(self) -> None:
        running = [task for task in self.tasks.values() if not task.done()]
        if running:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(0)  # ended, but arq has not counted it yet

    async def _hear_bell(self) -> "_Stroke | None":
        """Wait at the bell; return what rang, or None if nothing did.

        When told to stop, a stroke is left to others.
        """
        client: Any = self.pool  # redis-py's types do not tell its two kinds of client apart
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("LLEN", self._bell)
        pipeline.execute_command("BLPOP", self._bell, POLL_SECONDS)
        async with asking("ring", seconds=POLL_SECONDS + ANSWER_SECONDS):
            lying_there, answer = await pipeline.execute()
            if answer is None:
                return None
            if not self.allow_pick_jobs:
                await client.lpush(self._bell, answer[1])
                return None
        return _stroke_in(answer[1], of=self._own_jobs, is_new=not lying_there)

    async def _remove(self, name: str) -> None:
        """Take out of the queue what its stroke has handed over, and see whether there is more."""
        pipeline: Any = self.pool.pipeline(transaction=False)
        pipeline.execute_command("ZREM", self.queue_name, name)
        pipeline.execute_command("DEL", job_key_prefix + name)
        pipeline.execute_command("ZCARD", self.queue_name)
        async with asking("let go of a bundle"):
            *_, left = await pipeline.execute()
        # Not every bundle has a stroke, and each stroke of many may have woken another worker.
        self._has_found = left > 0

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Take what there is room for out of Redis, and start what nobody else was quicker to take.

        What is taken and then lost, with its reply or with this worker, lapses like every bundle
        that is not accepted.
        """
        names = [job_id.decode() for job_id in job_ids[: self.max_jobs - self.job_counter]]
        # In one transaction: of two workers, the one that takes a bundle's id takes its bytes too.
        pipeline: Any = self.pool.pipeline(transaction=True)
        for name in names:
            pipeline.zrem(self.queue_name, name)
            pipeline.get(job_key_prefix + name)
            pipeline.delete(job_key_prefix + name)
        answers: list[Any] = await pipeline.execute() if names else []
        # Also if all had expired, or others were quicker: what can be begun may lie behind them.
        self._has_found = bool(names)
        for name, was_there, bundle in zip(names, answers[::3], answers[1::3], strict=True):
            if was_there and bundle is not None:
                self._begin(name, bundle)

    def _begin(self, name: str, bundle: bytes) -> None:
        self.job_counter += 1
        self.tasks[name] = self._start(bundle)
        self.tasks[name].add_done_callback(lambda _: self._forget(name))

    def _forget(self, name: str) -> None:
        # arq would do it at its next poll: who always finds a bundle at the bell makes none.
        self.job_counter -= 1
        self.tasks.pop(name, None)

    async def finish(self) -> None:
        """Return when every job that was started has ended."""
        if self.tasks:
            await asyncio.wait(self.tasks.values())


async def _never(ctx: dict[Any, Any]) -> None:
    """Be the function that arq wants to be given: what it would run is taken before that."""


def _stroke_in(stroke: bytes, *, of: bytes, is_new: bool) -> _Stroke | None:
    """Return what a stroke says; None if it says no more than that there is something."""
    name, _, carried = stroke.partition(b".")
    try:
        bundle = b64decode(carried)
        if name.startswith(of):
            return _Stroke(name.decode(), bundle, is_new=is_new and bool(bundle))
    except ValueError:
        pass  # nothing of ours, whatever it begins with
    return None
