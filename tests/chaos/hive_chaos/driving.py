"""The load of a run while it is struck: what is submitted and called off, and what is heard."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Never

from hive_bus.bus import Bus
from hive_chaos.aftermath import count_open
from hive_chaos.history import Asked
from hive_chaos.load import LIMIT, Order, Work
from hive_chaos.servers import Servers
from hive_client import Hive
from hive_contracts.errors import UnavailableError
from hive_contracts.events import EventFrame, EventType
from hive_contracts.ids import TaskId
from hive_store.connecting import Connection

__all__ = ["Driver", "Listener"]

EVERY_SECONDS: Final = 0.25
MOST_OPEN: Final = 2000
CATCH_UP: Final = 3
FEW: Final = 4
"""Tasks in a submit after one that was not answered."""

PATIENCE_SECONDS: Final = 10.0
STUCK_SECONDS: Final = 600.0
"""Without room for so long nothing more is submitted: what is open will not end."""

ENDS: Final = frozenset({EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED})


class Driver:
    """Submits the work, as any client would: over servers that may be away."""

    def __init__(self, hive: Hive, work: Work, servers: Servers) -> None:
        self._hive = hive
        self._work = work
        self._servers = servers
        self.asked: dict[int, Asked] = {}
        self._task_ids: dict[int, TaskId] = {}
        self._to_cancel: list[TaskId] = []
        self._is_answered = True

    async def run(self, *, tasks: int, seconds: float, all_within_seconds: float | None) -> None:
        """Submit `tasks` evenly over `seconds`, or more slowly if Hive does not keep up with them.

        What outages cost is made up for as it can be. No more than `MOST_OPEN` wait at a time: a
        queue that grows for as long as the run lasts shows how fast the machine is, and no fault.

        Args:
            tasks: how many that are acknowledged.
            seconds: how soon.
            all_within_seconds: how long to go on until all are submitted; None for as long as
                `seconds`, however many are missing then.
        """
        loop = asyncio.get_running_loop()
        began = had_room_at = loop.time()
        done = 0
        longest = all_within_seconds or seconds
        # What is submitted in one statement is lost to us with one answer.
        most = max(1, int(CATCH_UP * tasks * EVERY_SECONDS / seconds))
        while (passed := loop.time() - began) < longest and (done < tasks or passed < seconds):
            due = min(tasks, int(tasks * (passed + EVERY_SECONDS) / seconds))
            count = min(due - done, most if self._is_answered else FEW)
            await self._cancel()
            if (2 * done >= tasks or 2 * passed >= longest) and not self._work.is_limited:
                await self._set_limit()
            if await self._has_room():
                had_room_at = loop.time()
                done += await self._submit(self._work.orders(count))
            elif loop.time() - had_room_at > STUCK_SECONDS:
                break
            await asyncio.sleep(EVERY_SECONDS)
        await self._cancel()

    async def _set_limit(self) -> None:
        """Have a limit hold from now on, if that is acknowledged."""
        with suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._hive.set_limit(LIMIT)
            self._work.is_limited = True

    async def _has_room(self) -> bool:
        try:
            return await count_open(self._servers) < MOST_OPEN
        except UnavailableError:
            # Whether a submit bears that is to be seen.
            return True

    async def _submit(self, orders: Sequence[Order]) -> int:
        """Submit; return how many were acknowledged."""
        if not orders:
            return 0
        orders = [order.with_ids(self._task_ids) for order in orders]
        tasks = [order.task for order in orders]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                task_ids = await self._hive.submit_many(tasks)
        except (UnavailableError, TimeoutError):
            self._is_answered = False
            for order in orders:
                asked = replace(order.asked, is_acknowledged=False)
                self.asked[asked.number] = asked
            return 0
        self._is_answered = True
        for order, task_id in zip(orders, task_ids, strict=True):
            self.asked[order.asked.number] = order.asked
            self._task_ids[order.asked.number] = task_id
            if order.is_cancelled:
                self._to_cancel.append(task_id)
        return len(task_ids)

    async def _cancel(self) -> None:
        if not self._to_cancel:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._hive.cancel(*self._to_cancel)
        except (UnavailableError, TimeoutError):
            return
        self._to_cancel.clear()


class Listener:
    """Listens to the bus as a watcher does, and holds each end that it hears of against the rows.

    It listens and looks past the proxies, so that it is as fast as can be.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.heard = 0
        self.untrue: list[str] = []

    async def run(self) -> Never:
        """Listen until cancelled."""
        async with (
            Bus.open(self._servers.redis.url) as bus,
            bus.subscribe(EventFrame) as frames,
        ):
            while True:
                try:
                    async with self._servers.connected() as connection:
                        async for frame in frames:
                            if isinstance(frame, EventFrame):
                                await self._hold_against_rows(frame, connection)
                except UnavailableError:
                    await asyncio.sleep(EVERY_SECONDS)

    async def _hold_against_rows(self, frame: EventFrame, connection: Connection) -> None:
        told = [
            task_id for event in frame.events if event.type in ENDS for task_id in event.task_ids
        ]
        if not told:
            return
        self.heard += len(told)
        rows = await connection.fetch(
            "select id, state::text from hive.task"
            " where id = any($1) and state not in ('succeeded', 'failed', 'cancelled')",
            told,
        )
        self.untrue += [
            f"the end of task {r['id']} was told while it was {r['state']}" for r in rows
        ]
