"""The queen's end: puts bundles where arq's workers look for jobs, and rings.

arq's own `enqueue_job` makes two round trips per job to find out whether its id is taken. Ours is
never taken, so any number of bundles go out in one round trip:

    PSETEX arq:job:{id}   the bundle, for as long as its lease lasts unaccepted
    ZADD   {queue}        the ids, which is where arq looks
    RPUSH  {bell}         one stroke per bundle, its id and itself, which is what wakes a worker

A bundle may be sent again, under another id: accepting it is fenced, so a second one does nothing.
"""

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count, islice
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from arq.constants import job_key_prefix
from arq.utils import timestamp_ms

from hive_contracts.bundles import Bundle
from hive_contracts.wire import encode_bundle
from hive_dispatch.connection import asking, open_client
from hive_dispatch.keys import bell_key, epoch_key, queue_key

__all__ = ["BundleSender"]

STROKES: Final = 16
"""Most strokes that wait on a bell: the oldest. A worker waits there only after it found nothing,
so strokes that nobody waited for need only outnumber the workers that are just about to."""

IDLE_SECONDS: Final = 86_400
"""After this long without a bundle, Redis forgets a queue's keys."""

CLOCK_SKEW_MS: Final = 3_600_000
"""arq leaves a job alone until the worker's wall clock has reached its score, so a queen whose
clock is ahead would make workers wait. Scores lie an hour back; only their order has a meaning."""


class BundleSender:
    """Sends bundles to whoever serves their queues. Close it, or use it as a context manager."""

    def __init__(self, url: str, prefix: str = "hive") -> None:
        """Make a sender; it connects when it is first used.

        Raises:
            ConfigurationError: the URL cannot be read.
        """
        self._client = open_client(url)
        self._prefix = prefix
        self._id = uuid4().hex
        self._numbers = count(1)
        self._sent: deque[tuple[float, str, str]] = deque()
        self._epoch: bytes | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def send(self, bundles: Sequence[Bundle], *, ttl_seconds: float) -> None:
        """Send `bundles` in one round trip; nobody who serves their queues has to poll.

        Args:
            bundles: what to send, the most urgent first.
            ttl_seconds: how long a bundle that nobody takes is kept. Once its lease has lapsed it
                is worthless, and only in the way.

        Raises:
            BusUnavailableError: Redis did not take them, or not all of them.
        """
        if not bundles:
            return
        pipeline: Any = self._client.pipeline(transaction=False)
        self._remove_what_lapsed(pipeline)
        by_queue: dict[str, dict[str, bytes]] = {}
        for bundle in bundles:
            # Padded, because arq takes the jobs of one millisecond in the order of their ids.
            job_id = f"{self._prefix}:{self._id}:{next(self._numbers):010x}"
            encoded = by_queue.setdefault(bundle.queue, {})[job_id] = encode_bundle(bundle)
            pipeline.execute_command(
                "PSETEX", job_key_prefix + job_id, round(ttl_seconds * 1000), encoded
            )
        for queue, jobs in by_queue.items():
            self._enqueue(pipeline, queue, jobs, ttl_seconds)
        async with asking("take bundles"):
            await pipeline.execute()

    def _enqueue(
        self, pipeline: Any, queue: str, jobs: Mapping[str, bytes], ttl_seconds: float
    ) -> None:
        waiting, bell = queue_key(self._prefix, queue), bell_key(self._prefix, queue)
        deadline = asyncio.get_running_loop().time() + ttl_seconds
        self._sent.extend((deadline, waiting, job_id) for job_id in jobs)
        score = timestamp_ms() - CLOCK_SKEW_MS
        pipeline.execute_command(
            "ZADD", waiting, *(word for job_id in jobs for word in (score, job_id))
        )
        strokes = (f"{job_id}.".encode() + b64encode(bundle) for job_id, bundle in jobs.items())
        pipeline.execute_command("RPUSH", bell, *islice(strokes, STROKES))
        pipeline.execute_command("LTRIM", bell, 0, STROKES - 1)
        pipeline.execute_command("EXPIRE", waiting, IDLE_SECONDS)
        pipeline.execute_command("EXPIRE", bell, IDLE_SECONDS)

    def _remove_what_lapsed(self, pipeline: Any) -> None:
        # The job's key expires by itself, its id does not: where nobody serves a queue, the next
        # worker would have to go through every id ever sent (0.7 ms each) before it met a live one.
        now = asyncio.get_running_loop().time()
        lapsed: dict[str, list[str]] = {}
        while self._sent and self._sent[0][0] <= now:
            _, waiting, job_id = self._sent.popleft()
            lapsed.setdefault(waiting, []).append(job_id)
        for waiting, job_ids in lapsed.items():
            pipeline.execute_command("ZREM", waiting, *job_ids)

    async def check_epoch(self) -> bool:
        """Return whether Redis has forgotten what was sent before the last look, or may have.

        True at the first look, after a flush, and after a restart that lost the keys: then whatever
        was not accepted must be sent again. The key holds a random value, so that every queen sees
        that it is another one, also when somebody else has set it already.

        Raises:
            BusUnavailableError: Redis did not answer.
        """
        key = epoch_key(self._prefix)
        pipeline: Any = self._client.pipeline(transaction=False)
        pipeline.execute_command("SET", key, uuid4().hex, "NX")
        pipeline.execute_command("GET", key)
        async with asking("show its epoch"):
            _, epoch = await pipeline.execute()
        has_forgotten = epoch != self._epoch
        self._epoch = epoch
        return has_forgotten
