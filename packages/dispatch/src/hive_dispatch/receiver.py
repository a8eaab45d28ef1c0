"""The worker's end: hands each bundle of one queue to the worker's accept, for ever.

Redis may go away, come back empty, or freeze; arq's worker gives up at each. So one `BellWorker`
lives as long as a connection does, and when it falls the receiver makes another. Bundles that are
being accepted meanwhile are not disturbed: they belong to the receiver, and need Redis no more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from hive_contracts.bundles import Bundle
from hive_contracts.errors import MalformedMessageError, UnavailableError
from hive_contracts.labels import place_of
from hive_contracts.wire import decode_bundle
from hive_dispatch.bell_worker import BellWorker
from hive_dispatch.connection import open_client

__all__ = ["BundleReceiver", "LeftBundles"]

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LeftBundles:
    """Counts the bundles that were taken and left to lapse."""

    malformed: int = 0
    """Bundles that this Hive did not understand; they lapse, and another worker may."""

    lapsing: int = 0
    """Bundles left to lapse because something that accepting them needs was away."""


class BundleReceiver:
    """Takes the bundles of one queue while there is room, and accepts them."""

    def __init__(
        self,
        url: str,
        prefix: str,
        queue: str,
        *,
        accept: Callable[[Bundle], Awaitable[None]],
        wait_for_room: Callable[[], Awaitable[int]],
        max_bundles: int,
        is_eager: Callable[[], bool] | None = None,
        left: LeftBundles | None = None,
    ) -> None:
        """Make a receiver; nothing is opened before `run`.

        Args:
            url: where Redis is.
            prefix: the same as the senders'.
            queue: the queue to serve, or the line of one.
            accept: called with each bundle, `max_bundles` at once. The bundle may still lie in
                Redis, where another may find it: of two accepts of a lease, one is granted. After
                `UnavailableError` the bundle is left to lapse; any other error ends `run`.
            wait_for_room: returns how many bundles could be begun, once that is at least one;
                called before each look.
            max_bundles: most bundles that are being accepted at once.
            is_eager: asked before each look: whether to be the first to take what comes, or else to
                look only for what others have left; None to be so always.
            left: where to count what is left to lapse; None for a count of its own.
        """
        self._url = url
        self._prefix = prefix
        self._queue = queue
        self._accept = accept
        self._wait_for_room = wait_for_room
        self._max_bundles = max_bundles
        self._is_eager = is_eager
        self._worker: BellWorker | None = None
        self._is_taking = True
        self._looks = 0
        self.left = LeftBundles() if left is None else left

    @property
    def name(self) -> str:
        """What to call the loop in logs and metrics."""
        return f"receive {place_of(self._queue)[0]}"

    def stop_taking(self) -> None:
        """Leave bundles to others from now on; a look under way may still take some."""
        self._is_taking = False
        if self._worker is not None:
            self._worker.allow_pick_jobs = False

    async def run(self) -> None:
        """Take bundles until cancelled; after `stop_taking`, only wait to be cancelled.

        Raises:
            ExceptionGroup: holding whatever `accept` raised, other than `UnavailableError`.
        """
        failures = 0
        async with asyncio.TaskGroup() as accepting:
            while self._is_taking:
                looked_before = self._looks
                try:
                    await self._serve(accepting)
                except UnavailableError as error:
                    failures = 1 if self._looks > looked_before else failures + 1
                    if failures == 1:
                        log.warning("no bundles come from queue %s: %s", self._queue, error)
                    await asyncio.sleep(_pause_seconds(failures))
            await asyncio.Event().wait()

    async def _serve(self, accepting: asyncio.TaskGroup) -> None:
        """Take bundles until told to stop, or until Redis goes away."""

        def start(bundle: bytes) -> asyncio.Task[None]:
            work = self._accept_or_leave(bundle)
            return accepting.create_task(work, name=f"accept a bundle of {self._queue}")

        async with aclosing(open_client(self._url)) as client:
            worker = self._worker = BellWorker(
                client,
                self._prefix,
                self._queue,
                start=start,
                wait_for_room=self._wait_for_room,
                max_bundles=self._max_bundles,
                is_eager=self._is_eager,
            )
            try:
                await worker.main()
                await worker.finish()
            finally:
                self._worker = None
                self._looks += worker.looks

    async def _accept_or_leave(self, data: bytes) -> None:
        try:
            await self._accept(decode_bundle(data))
        except MalformedMessageError as error:
            self.left.malformed += 1
            log.warning("a bundle of queue %s is left to lapse: %s", self._queue, error)
        except UnavailableError as error:
            self.left.lapsing += 1
            log.warning("a bundle of queue %s is left to lapse: %s", self._queue, error)


def _pause_seconds(failures: int) -> float:
    return min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 8), LONGEST_PAUSE_SECONDS)
