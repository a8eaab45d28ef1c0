"""Claim the tasks of one queue, or a line of it, and send them out, as fast as there is room."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Never

from hive_contracts.bundles import Bundle
from hive_contracts.clocks import Clock
from hive_contracts.errors import UnavailableError
from hive_contracts.ids import LeaseId
from hive_contracts.labels import place_of, slots_of
from hive_queen.controls import Controls
from hive_queen.fleet import Fleet
from hive_queen.outbox import Outbox
from hive_queen.pacing import ONE_BY_ONE, Pace, RunTimes, pace_for
from hive_queen.permits import Permits
from hive_queen.settings import QueenSettings
from hive_store.claiming import ClaimedBundle, Watermarks
from hive_store.queen_store import QueenStore
from hive_telemetry.loops import keep_ticking
from hive_telemetry.metrics import Metrics

__all__ = ["Claimer"]

MOST_PER_CLAIM: Final = 2000
"""Some 30 ms of Postgres. More would hold up other queues longer, and hardly cost less a task."""

LOOK_AHEAD: Final = 1000
"""How many tasks a claim looks at after one that found some which their limits held up."""


class Claimer:
    """The one place that acquires permits."""

    def __init__(
        self,
        queue: str,
        *,
        store: QueenStore,
        permits: Permits,
        fleet: Fleet,
        controls: Controls,
        outbox: Outbox,
        run_times: RunTimes,
        settings: QueenSettings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.name = _name_of(queue)
        self._queue = queue
        self._slots = slots_of(queue)
        self._store = store
        self._permits = permits
        self._fleet = fleet
        self._controls = controls
        self._outbox = outbox
        self._run_times = run_times
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._watermarks = Watermarks()
        self._forgotten_at = clock.seconds()
        self._wake = asyncio.Event()
        self._look_ahead = 0
        self._is_held_up = False
        self._is_drained = False
        """Whether the last claim has left nothing to claim."""

        self._pause_seconds = settings.poll_seconds
        self._idle_since: float | None = clock.seconds()

    def wake_if_held_up(self) -> None:
        """Claim at once if a limit had no room: some of it may have come back."""
        if self._is_held_up:
            self._wake.set()

    @property
    def idle_seconds(self) -> float:
        """For how long it has claimed nothing; 0 while it claims: it must not be cancelled then."""
        return 0.0 if self._idle_since is None else self._clock.seconds() - self._idle_since

    def wake(self, *, is_behind: bool = False) -> None:
        """Claim at once; `is_behind` if tasks may have come in before the watermarks."""
        if is_behind:
            self._watermarks.forget()
        self._wake.set()

    async def run(self) -> Never:
        """Claim again and again."""
        await keep_ticking(self.tick, name=self.name, metrics=self._metrics)

    async def tick(self) -> None:
        """Wait to be woken if the queue is drained, and for room; then claim, and send."""
        if self._is_drained:
            await self._wait_for_work()
            self._is_drained = False
        self._wake.clear()
        await self._outbox.wait_until_open()
        pace = self._pace()
        await self._permits.wait_for_room(
            self._queue,
            ahead=pace.ahead,
            at_most=MOST_PER_CLAIM,
            slots=self._slots,
            patience_seconds=self._settings.ahead_seconds,
        )
        idle_since, self._idle_since = self._idle_since, None
        try:
            has_claimed = await self._claim(pace)
        finally:
            self._idle_since = idle_since
        if has_claimed:
            self._idle_since = self._clock.seconds()

    async def _claim(self, pace: Pace) -> bool:
        """Claim and send once; return whether there was anything."""
        self._forget_watermarks_each_second()
        is_whole_line = self._watermarks.is_at_beginning
        with self._permits.reserve(
            self._queue, ahead=pace.ahead, at_most=MOST_PER_CLAIM, slots=self._slots
        ) as reservation:
            parts = await self._take(pace, limit=reservation.count)
            sizes = _sizes(parts)
            for lease_id, size in sizes.items():
                reservation.hold(lease_id, size)
            is_short = sum(sizes.values()) < reservation.count
        self._metrics.claimed(sum(sizes.values()))
        if sizes:
            self._run_times.claimed(self._queue, {kind for part in parts for kind in part.kinds})
            await self._send(sizes)
        if is_short:
            self._watermarks.forget()
        # What had the whole line to take from, and room for more, has left nothing; limits do.
        has_emptied = is_short and is_whole_line and not self._is_limited
        if has_emptied or not sizes:
            self._permits.rest(self._queue)
        self._is_drained = (has_emptied or not sizes) and self._look_ahead == 0
        return bool(sizes)

    async def _take(self, pace: Pace, *, limit: int) -> list[ClaimedBundle]:
        """Send the claim that suits the queue; return what it took."""
        lease = timedelta(seconds=self._settings.lease_seconds)
        workers = self._fleet.workers_of(self._queue)
        self._look_ahead, look_ahead = 0, self._look_ahead
        self._is_held_up, self._pause_seconds = False, self._settings.poll_seconds
        if not self._is_limited:
            return await self._store.claim(
                self._queue,
                limit=limit,
                lease=lease,
                bundle_size=pace.bundle_size,
                worker_count=workers,
                watermarks=self._watermarks,
            )
        claim = await self._store.limited.claim(
            self._queue,
            limit=limit,
            lease=lease,
            bundle_size=pace.bundle_size,
            worker_count=workers,
            watermarks=self._watermarks,
            look_ahead=look_ahead,
        )
        if claim.held_up:
            self._look_ahead = LOOK_AHEAD
        self._is_held_up = claim.is_used_up
        if claim.next_seconds is not None:
            self._pause_seconds = min(claim.next_seconds, self._pause_seconds)
        return claim.bundles

    async def _send(self, sizes: dict[LeaseId, int]) -> None:
        try:
            await self._outbox.send(
                [Bundle(lease_id=i, queue=self._queue, size=n) for i, n in sizes.items()]
            )
        except UnavailableError:
            # What could not be sent goes back to its place, which lies before the watermarks.
            self._watermarks.forget()
            raise

    @property
    def _is_limited(self) -> bool:
        return self._controls.limits(place_of(self._queue)[0])

    def _pace(self) -> Pace:
        if self._slots > 1:
            return ONE_BY_ONE
        return pace_for(
            self._run_times.expected_seconds(self._queue),
            slots=self._fleet.share_of(self._queue),
            workers=self._fleet.workers_of(self._queue),
            ahead_seconds=self._settings.ahead_seconds,
            max_ahead=self._settings.max_ahead,
            max_bundle=self._settings.max_bundle,
        )

    def _forget_watermarks_each_second(self) -> None:
        if self._clock.seconds() - self._forgotten_at >= 1:
            self._watermarks.forget()
            self._forgotten_at = self._clock.seconds()

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self._pause_seconds):
                await self._wake.wait()
        except TimeoutError:
            pass


def _name_of(line: str) -> str:
    """Return what to call the claimer of a line: of those with needs there may be any number."""
    queue, needs = place_of(line)
    return f"claim {queue}, with needs" if needs else f"claim {queue}"


def _sizes(parts: Sequence[ClaimedBundle]) -> dict[LeaseId, int]:
    """Return how many tasks each lease has; one with several priorities comes in several parts."""
    sizes: dict[LeaseId, int] = {}
    for part in parts:
        sizes[part.lease_id] = sizes.get(part.lease_id, 0) + part.size
    return sizes
