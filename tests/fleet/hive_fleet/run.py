"""One run of the fleet: agents on two machines, storms, kills and answers, to the last end.

machine "near"   the servers
this machine     a queen, a worker, and who drives it
machine "far"    a worker behind a cable, with process ids of its own
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

from hive.settings import load
from hive.tasks.reaching import Reach, open_reach
from hive_chaos.aftermath import processes_left
from hive_chaos.arena import Arena
from hive_chaos.servers import Servers
from hive_contracts.errors import HiveError
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES, TaskState
from hive_contracts.tasks import TaskRecord
from hive_fleet.load import ANSWER, SORTS, Sort, deal, task_of

__all__ = ["SLOTS", "Fleet", "FleetArena", "Sample", "Storm", "opened"]

SLOTS: Final = 8
"""Of each of the two workers."""

BACK_SECONDS: Final = 2
"""How long after a storm there is quota again, as agents say it."""

WOKEN: Final = 2 * SLOTS
"""So many who met a quota have ended when the next storm begins."""

KILL_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.25
AT_ONCE: Final = 200


class FleetArena(Arena):
    """An arena with a queen and two workers, and nothing that is started by `hive up`."""

    def __init__(self, folder: Path, servers: Servers, extra: Mapping[str, str]) -> None:
        super().__init__(folder, servers, extra)
        del self.members["up"]
        # On a machine of its own, where this one permits that.
        self.members["far"] = self._member("far", "worker", "--async")


@dataclass(frozen=True, slots=True)
class Storm:
    """A time in which the quota was used up, in seconds since the machine's boot."""

    begun_at: float
    ended_at: float
    held: int
    """How many agents had not begun at its end, or had to begin anew."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What Hive said of running tasks at one moment."""

    running: int
    unfounded: int
    """Of them, those without a worker, its process, or a start."""


@dataclass
class Fleet:
    """What was driven, and what came of it."""

    arena: FleetArena
    reach: Reach
    sorts: dict[TaskId, Sort] = field(default_factory=dict[TaskId, Sort])
    storms: list[Storm] = field(default_factory=list[Storm])
    kills: list[str] = field(default_factory=list[str])
    answered: int = 0
    samples: list[Sample] = field(default_factory=list[Sample])
    seconds: float = 0.0

    @property
    def witness(self) -> Path:
        """Where agents bear witness."""
        return self.arena.folder / "witness"

    @property
    def quota(self) -> Path:
        """The file that is there while the quota is used up."""
        return self.arena.folder / "quota"

    async def drive(
        self,
        count: int,
        *,
        seed: int,
        kills: int,
        storms: Sequence[float],
        limit: float,
        has_breaker: bool,
    ) -> None:
        """Run agents to their ends, or until `limit` seconds are over.

        Args:
            count: how many agents.
            seed: deals them their sorts.
            kills: how many SIGKILLs.
            storms: how many seconds each quota is used up, from its first signal on.
            limit: most seconds for all of it.
            has_breaker: whether agents with a quota name their breaker.
        """
        began = time.monotonic()
        dealt = deal(count, seed)
        tasks = [
            task_of(
                sort,
                witness=self.witness,
                quota=self.quota,
                mark=self.arena.mark,
                has_breaker=has_breaker,
            )
            for sort in dealt
        ]
        async with asyncio.TaskGroup() as group:
            # The first storm is there before anybody begins.
            storming = group.create_task(self._storm(storms))
            await asyncio.sleep(0)
            ids = await self.reach.view.tasks.submit(tasks)
            self.sorts = dict(zip(ids, dealt, strict=True))
            killing = group.create_task(self._kill(kills))
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._watch()
            killing.cancel()
            storming.cancel()
        self.seconds = time.monotonic() - began

    async def records(self, ids: Sequence[TaskId] | None = None) -> list[TaskRecord]:
        """Return what Hive says of the agents, or of some of them."""
        wanted = [*self.sorts] if ids is None else [*ids]
        return [
            record
            for first in range(0, len(wanted), AT_ONCE)
            for record in await self.reach.view.tasks.read_many(wanted[first : first + AT_ONCE])
        ]

    def left(self) -> list[int]:
        """Return the processes of agents that are there."""
        return processes_left(self.arena.mark, of_tasks_alone=True)

    async def _watch(self) -> None:
        asking = [task_id for task_id, sort in self.sorts.items() if sort is SORTS["asks"]]
        is_answered = set[TaskId]()
        while True:
            records = await self.records()
            running = [record for record in records if record.state is TaskState.RUNNING]
            unfounded = [
                record
                for record in running
                if None in (record.worker_host, record.worker_pid, record.started_at)
            ]
            self.samples.append(Sample(len(running), len(unfounded)))
            for record in records:
                if record.id in asking and record.asked_at and record.id not in is_answered:
                    await self.reach.hive.answer(record.id, ANSWER)
                    is_answered.add(record.id)
                    self.answered += 1
            if all(record.state in TERMINAL_STATES for record in records):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _storm(self, lengths: Sequence[float]) -> None:
        for number, seconds in enumerate(lengths):
            if number:
                await self._woken(number * WOKEN)
            begun_at, held = time.monotonic(), 0
            self.quota.write_text(str(int(seconds) + BACK_SECONDS), encoding="ascii")
            try:
                await self._first_quota()
                await asyncio.sleep(seconds)
                held = len(await self._quota_records(ended=False))
            finally:
                self.quota.unlink()
                self.storms.append(Storm(begun_at, time.monotonic(), held))

    async def _woken(self, count: int) -> None:
        """Return when so many agents with a quota have ended."""
        while True:
            if len(await self._quota_records(ended=True)) >= count:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _first_quota(self) -> None:
        """Return when an agent may have met its quota in this storm."""
        while True:
            open_ones = await self._quota_records(ended=False)
            if self.sorts and (not open_ones or any(r.parked_at for r in open_ones)):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _quota_records(self, *, ended: bool) -> list[TaskRecord]:
        """Return the agents with a quota that have ended, or those that have not."""
        ours = [task_id for task_id, sort in self.sorts.items() if sort is SORTS["quota"]]
        return [r for r in await self.records(ours) if (r.state in TERMINAL_STATES) is ended]

    async def _wait_for_work_at(self, name: str) -> None:
        while True:
            hosts = {r.worker_host for r in await self.records() if r.state is TaskState.RUNNING}
            is_apart = self.arena.machines is not None
            if hosts & {"far"} if is_apart and name == "far" else hosts - {"far"}:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _kill(self, count: int) -> None:
        for name, _ in zip(cycle(("worker", "far", "queen")), range(count), strict=False):
            await asyncio.sleep(KILL_SECONDS)
            # Struck while it does nothing, a worker would lose nothing, and the kill show nothing.
            if name != "queen":
                await self._wait_for_work_at(name)
            victim = self.arena.members[name].victim
            if victim is not None:
                victim.send(signal.SIGKILL)
                self.kills.append(name)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Fleet]:
    """Give a fleet whose Hive runs, in an empty directory; end all of it afterwards."""
    extra = {
        "HIVE_WORKER_SLOTS": str(SLOTS),
        "HIVE_AGENTS_LINGER_SECONDS": "1",
        "SCRIPTED_AGENT_HOME": str(folder / "agent"),
    }
    async with FleetArena.open(folder, extra=extra) as arena:
        assert isinstance(arena, FleetArena)
        urls = arena.servers.urls()
        settings = load(
            flags={
                "services.data_dir": str(folder / "driver"),
                "database.url": urls["HIVE_DATABASE_URL"],
                "redis.url": urls["HIVE_REDIS_URL"],
            },
            environment={"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(folder)},
        )
        async with open_reach(settings) as reach:
            await _wait_for_workers(reach)
            yield Fleet(arena=arena, reach=reach)


async def _wait_for_workers(reach: Reach) -> None:
    async with asyncio.timeout(120):
        while True:
            with suppress(HiveError):
                if len(await reach.view.fleet.workers(seen_within=timedelta(seconds=10))) >= 2:
                    return
            await asyncio.sleep(LOOK_SECONDS)
