"""Renew the leases in hand, from a thread, so that a busy loop does not lose them.

But a loop that makes no progress for a whole lease time is not busy, it hangs; then the heartbeat
stops, and its tasks go to other workers. The thread has an event loop and a connection of its own,
and tells the guardian of processes of each renewal without the worker's loop (`Proof.on_move`), so
that a loop which is blocked for less than a lease time costs neither leases nor processes.

Each beat names the leases that are held: one whose accept was granted but never heard of lapses.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hive_contracts.clocks import Clock
from hive_contracts.errors import SchemaMismatchError, UnavailableError
from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_store import HOT_SETTINGS, HeartbeatStore, open_line
from hive_telemetry.logs import logger
from hive_worker.holdings import Holdings
from hive_worker.proof import Proof
from hive_worker.settings import WorkerSettings

__all__ = ["Beat", "Heartbeat"]

RETRY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat has learned."""

    dropped: frozenset[LeaseId]
    """Leases that were asked for and are no longer this worker's."""

    cancelled: tuple[TaskId, ...]
    """Running tasks that have been called off."""


class Heartbeat:
    """Beats until cancelled."""

    name = "heartbeat"

    def __init__(
        self,
        worker_id: WorkerId,
        database_url: str,
        holdings: Holdings,
        proof: Proof,
        *,
        running: Callable[[], Iterable[TaskId]],
        slots: int,
        takes_bundles: bool,
        is_draining: Callable[[], bool],
        count_stuck: Callable[[bool], int],
        on_beat: Callable[[Beat], None],
        on_outdated: Callable[[SchemaMismatchError], None],
        settings: WorkerSettings,
        version: str,
        clock: Clock,
    ) -> None:
        self._worker_id = worker_id
        self._database_url = database_url
        self._holdings = holdings
        self._proof = proof
        self._running = running
        self._slots = slots
        self._takes_bundles = takes_bundles
        self._is_draining = is_draining
        self._count_stuck = count_stuck
        self._on_beat = on_beat
        self._on_outdated = on_outdated
        self._settings = settings
        self._version = version
        self._clock = clock
        self._progressed_at = clock.seconds()
        self._was_blocked = False
        self._failed_with: str | None = None
        self._is_over = threading.Event()
        self._nudge: Callable[[], None] = lambda: None

    def beat_now(self) -> None:
        """Have the next beat at once."""
        self._nudge()

    async def run(self) -> None:
        """Beat in a thread, and show it that the loop makes progress."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._show_progress(), name="heartbeat progress")
            beating = loop.run_in_executor(None, lambda: asyncio.run(self._beat_for_ever(loop)))
            try:
                await asyncio.shield(beating)
                raise RuntimeError("the heartbeat's thread ended")
            finally:
                self._is_over.set()
                self._nudge()
                # A thread cannot be cancelled: it is over when its beat is.
                await asyncio.wait([beating])

    async def _show_progress(self) -> None:
        while True:
            self._progressed_at = self._clock.seconds()
            await asyncio.sleep(self._settings.heartbeat_seconds / 4)

    async def _beat_for_ever(self, worker_loop: asyncio.AbstractEventLoop) -> None:
        """The thread's program."""
        wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._nudge = lambda: _call_soon(loop, wake.set)
        async with open_line(self._database_url, settings=HOT_SETTINGS) as line:
            store = HeartbeatStore(self._worker_id, line)
            while not self._is_over.is_set():
                wake.clear()
                pause_seconds = await self._beat(store, worker_loop)
                try:
                    async with asyncio.timeout(pause_seconds):
                        await wake.wait()
                except TimeoutError:
                    pass

    async def _beat(self, store: HeartbeatStore, worker_loop: asyncio.AbstractEventLoop) -> float:
        """Beat once, unless the worker's loop hangs; return the pause."""
        if self._blocked_seconds > self._settings.lease_seconds:
            logger(__name__).error("the event loop hangs; its leases are not renewed")
            return RETRY_SECONDS
        try:
            async with asyncio.timeout(self._settings.heartbeat_seconds):
                await self._look_at_schema(store, worker_loop)
                beat = await self._renew(store)
        except (UnavailableError, SchemaMismatchError, TimeoutError) as error:
            self._failed_with = str(error) or type(error).__name__
            logger(__name__).warning("leases could not be renewed", error=self._failed_with)
            return RETRY_SECONDS
        if self._failed_with is not None:
            logger(__name__).info("leases are renewed again", over=self._failed_with)
            self._failed_with = None
        _call_soon(worker_loop, lambda: self._on_beat(beat))
        return self._settings.heartbeat_seconds

    @property
    def _blocked_seconds(self) -> float:
        return self._clock.seconds() - self._progressed_at

    def _is_blocked(self) -> bool:
        """Return whether the worker's loop makes no progress, and say so when that begins."""
        was, self._was_blocked = (
            self._was_blocked,
            self._blocked_seconds > self._settings.heartbeat_seconds,
        )
        if self._was_blocked and not was:
            lapse = self._settings.lease_seconds - self._blocked_seconds
            logger(__name__).error(
                "something blocks the event loop; its leases are renewed for a while only",
                tasks=[int(task_id) for task_id in self._running()],
                seconds_left=round(lapse, 1),
            )
        return self._was_blocked

    async def _look_at_schema(
        self, store: HeartbeatStore, worker_loop: asyncio.AbstractEventLoop
    ) -> None:
        """Have the worker leave if somebody has migrated the schema beyond what it can work with.

        Its leases are renewed all the same, so that what runs may finish.
        """
        try:
            await store.check_schema()
        except SchemaMismatchError as error:
            outdated = error
            _call_soon(worker_loop, lambda: self._on_outdated(outdated))

    async def _renew(self, store: HeartbeatStore) -> Beat:
        sent_at = self._clock.seconds()
        asked = self._holdings.lease_ids()
        lease = timedelta(seconds=self._settings.lease_seconds)
        kept = await store.renew(asked, lease=lease) if asked else set[LeaseId]()
        await store.see(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self._version,
            queues=self._settings.queues,
            labels=self._settings.labels,
            slots=self._slots,
            is_draining=self._is_draining(),
            takes_bundles=self._takes_bundles,
            stuck=self._count_stuck(self._is_blocked()),
        )
        self._proof.move(sent_at)
        running = list(self._running())
        cancelled = await store.cancel_requests(running) if running else []
        return Beat(frozenset(asked) - kept, tuple(cancelled))


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have `call` made in another thread's loop; if that loop is over, nobody needs it."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        if not loop.is_closed():
            raise
