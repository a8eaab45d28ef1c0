"""The queen's semaphore: how much she may have dispatched, held from claim to terminal state.

One semaphore for the queen's whole life, and one place that acquires: `reserve`. Its size follows
the living workers' slots. A permit belongs to a lease, so the ledger is a map from lease to the
slots of its tasks that are still open, and every report is their number itself, never a difference:
a hint heard twice, or late, changes nothing.

It counts slots: a task that takes several counts as so many. For one of those a single free slot is
enough, so that it has its turn like any other however many tasks of one slot there are; the worker
that takes it keeps slots back until it can begin. So there may be a few more out than there are
slots, but no more than one such task takes. While one could go out, nothing goes ahead.

Where queues have weights, whose turn it is among those that wait is decided by `Sharing`.

A hint may be lost. `reconcile` replaces what is known by what the lease rows say, but leaves alone
what was granted after the rows were read, and does not bring back what has ended since.
"""

import asyncio
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hive_contracts.clocks import Clock
from hive_contracts.ids import LeaseId
from hive_contracts.labels import slots_of
from hive_queen.turns import Turns

__all__ = ["Permits", "Reservation"]


@dataclass(slots=True)
class _Held:
    queue: str
    open: int
    """How many slots its open tasks take."""

    granted_at: float
    slots: int
    """How many each of them takes."""


class Reservation:
    """Permits taken for a claim that has not come back yet."""

    def __init__(self, permits: "Permits", queue: str, count: int) -> None:
        self._permits = permits
        self._queue = queue
        self.count = count
        """Most tasks that the claim may take."""

    def hold(self, lease_id: LeaseId, count: int) -> None:
        """Turn `count` of the permits into those of a lease."""
        self._permits.add(lease_id, self._queue, count)


class Permits:
    """Counts what is dispatched, and makes claimers wait while there is no room."""

    def __init__(self, clock: Clock, *, weights: Mapping[str, int] | None = None) -> None:
        """Make a ledger; without `weights` whoever comes first is served first."""
        self._clock = clock
        self._turns = Turns(weights, clock) if weights else None
        self._leases: dict[LeaseId, _Held] = {}
        self._over: set[LeaseId] = set()
        self._reserved: dict[str, int] = {}
        self._size = 0
        self._size_by_queue: Mapping[str, int] = {}
        self._wide: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def held(self) -> int:
        """How many slots the tasks take that are dispatched, or about to be."""
        return sum(held.open for held in self._leases.values()) + sum(self._reserved.values())

    @property
    def size(self) -> int:
        """How many slots the workers have for this queen."""
        return self._size

    def holds(self, lease_id: LeaseId) -> bool:
        """Return whether the lease is known."""
        return lease_id in self._leases

    def resize(self, *, total: int, by_queue: Mapping[str, int]) -> None:
        """Follow the living workers: their slots in all, and by queue served."""
        self._count_time()
        self._size = total
        self._size_by_queue = dict(by_queue)
        self._changed.set()

    def room(self, queue: str, *, ahead: int, slots: int = 1) -> int:
        """Return how many more tasks of `queue` may be dispatched.

        Args:
            queue: the line of tasks.
            ahead: how many may be dispatched beyond the slots, because they are known to be short.
            slots: how many slots each takes.
        """
        if self._wide and slots == 1 and self._is_held_up():
            ahead = 0
        here = self._room_in(queue)
        if here is None:
            return 0
        free = max(0, min(self._size - self.held, here) + ahead)
        return free if slots == 1 else -(-free // slots)

    def _room_in(self, queue: str) -> int | None:
        """Return how many slots of those that serve a line it has not taken; None if none do."""
        slots = self._size_by_queue.get(queue, 0)
        if slots == 0:
            return None
        held_here = self._reserved.get(queue, 0) + sum(
            held.open for held in self._leases.values() if held.queue == queue
        )
        return slots - held_here

    def _is_held_up(self) -> bool:
        """Return whether some line of tasks of several slots waits for others to leave room."""
        return any((self._room_in(queue) or 0) > 0 for queue in self._wide)

    def rest(self, queue: str) -> None:
        """Hear that nothing waits in `queue`: its share goes to the others from now on."""
        if self._turns is not None:
            self._turns.rest(queue)

    async def wait_for_room(
        self,
        queue: str,
        *,
        ahead: int,
        at_most: int,
        slots: int = 1,
        patience_seconds: float = 0.0,
    ) -> None:
        """Return once a task of `queue` may be dispatched, or better as many as one claim takes.

        That is `at_most`, or half of what goes ahead if that is less: while the other half is out
        the workers have enough to do, and to send one task for each that ends costs a claim and an
        accept for each. That is waited for `patience_seconds` at most: what a dead worker holds
        does not come back so soon, and others have room.
        """
        if self._turns is not None:
            self._turns.begin(queue, ahead=ahead)
        if slots > 1:
            self._wide.add(queue)
        try:
            await self._wait_for(queue, 1, ahead=ahead, slots=slots)
            async with asyncio.timeout(patience_seconds):
                await self._wait_for(queue, min(ahead // 2, at_most), ahead=ahead, slots=slots)
        except TimeoutError:
            return
        finally:
            if slots > 1:
                self._wide.discard(queue)
            if self._turns is not None:
                self._turns.end(queue)

    async def _wait_for(self, queue: str, count: int, *, ahead: int, slots: int) -> None:
        while self.room(queue, ahead=ahead, slots=slots) < count or not self._is_its_turn(queue):
            self._changed.clear()
            await self._changed.wait()

    def _is_its_turn(self, queue: str) -> bool:
        if self._turns is None:
            return True
        self._count_time()
        held = self._held_by_queue()
        return self._turns.is_next(queue, held, self._size_by_queue, slots=self._size)

    def _most_at_once(self, queue: str, at_most: int) -> int:
        if self._turns is None:
            return at_most
        held = self._held_by_queue()
        share = self._turns.most_at_once(queue, held, self._size_by_queue, slots=self._size)
        return at_most if share is None else min(share, at_most)

    def _count_time(self) -> None:
        if self._turns is not None and self._turns.is_time_to_count:
            self._turns.count_time(self._held_by_queue(), slots=self._size)

    def _held_by_queue(self) -> dict[str, int]:
        held_by_queue = dict(self._reserved)
        for held in self._leases.values():
            held_by_queue[held.queue] = held_by_queue.get(held.queue, 0) + held.open
        return held_by_queue

    @contextmanager
    def reserve(
        self, queue: str, *, ahead: int, at_most: int, slots: int = 1
    ) -> Generator[Reservation]:
        """Take the room there is for a claim; what it does not turn into leases goes back."""
        most = -(-self._most_at_once(queue, at_most * slots) // slots)
        count = min(self.room(queue, ahead=ahead, slots=slots), most)
        self._reserved[queue] = self._reserved.get(queue, 0) + count * slots
        if self._turns is not None:
            self._changed.set()  # somebody else may be next
        try:
            yield Reservation(self, queue, count)
        finally:
            self._reserved[queue] -= count * slots
            self._changed.set()

    def add(self, lease_id: LeaseId, queue: str, count: int) -> None:
        """Hold permits for the tasks of a lease, unless a reconcile has seen it first."""
        if lease_id not in self._leases and lease_id not in self._over:
            self._leases[lease_id] = _held(queue, count, self._clock.seconds())

    def shrink(self, lease_id: LeaseId, still_open: int) -> None:
        """Hear how many tasks of a lease are still open. Never raises the number."""
        held = self._leases.get(lease_id)
        if held is None or still_open * held.slots >= held.open:
            return
        self._count_time()
        if still_open <= 0:
            del self._leases[lease_id]
            self._over.add(lease_id)
        else:
            held.open = still_open * held.slots
        self._changed.set()

    def reconcile(self, rows: Iterable[tuple[LeaseId, str, int]], *, read_at: float) -> None:
        """Believe the lease rows (id, queue, open tasks) that were read from `read_at` on."""
        counted = {lease_id: (queue, count) for lease_id, queue, count in rows}
        for lease_id, held in list(self._leases.items()):
            if lease_id not in counted and held.granted_at < read_at:
                del self._leases[lease_id]
        for lease_id, (queue, count) in counted.items():
            known = self._leases.get(lease_id)
            if known is not None:
                known.open = min(known.open, count * known.slots)
            elif lease_id not in self._over:
                self._leases[lease_id] = _held(queue, count, read_at)
        # The next rows are read later than this, when none of these is there any more.
        self._over.clear()
        self._changed.set()


def _held(queue: str, count: int, granted_at: float) -> _Held:
    slots = slots_of(queue)
    return _Held(queue, count * slots, granted_at, slots)
