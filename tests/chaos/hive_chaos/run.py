"""One chaos run: load and faults side by side, then quiet, then the verdict."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from hive_chaos.aftermath import leaks, processes_left, read_rows, settle
from hive_chaos.arena import LEASE_SECONDS, Arena
from hive_chaos.blow import Blow
from hive_chaos.driving import Driver, Listener
from hive_chaos.faults import FAULTS
from hive_chaos.history import History, Ticking, read_witnesses
from hive_chaos.load import SORTS, TICKS, Work
from hive_chaos.plan import Strike, strikes
from hive_chaos.promises import re_executions, violations, weights
from hive_chaos.schedules import add_schedules, asked_by_schedules, end_schedules
from hive_chaos.scraping import Scraper
from hive_chaos.times import overlaps_in_loops
from hive_client import Hive
from hive_contracts.errors import UnavailableError
from hive_testkit.waiting import until

__all__ = ["AFTERWARDS_SECONDS", "Orders", "Result", "Struck", "longest_pause", "run"]

START_SECONDS: Final = 150.0
AFTERWARDS_SECONDS: Final = 2 * LEASE_SECONDS
"""How long after it was lifted a fault is felt: what it cost its lease is back by then."""

MOST_AT_ONCE: Final = 2
START_LOOK_SECONDS: Final = 0.25
LEAK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a run is to be."""

    seed: int
    seconds: float
    """How long load and faults last; what comes before and after is not counted."""

    tasks: int
    all_within_seconds: float | None = None
    """How long to go on until all tasks are submitted; None if `seconds` ends the load."""

    faults: Sequence[str]
    """Names of those that may strike."""

    sorts: Sequence[str] = SORTS
    """Which sorts of tasks there are."""

    patience_seconds: float = 120.0
    """After the last fault, for how long no task may end while some have not."""

    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables for the environment of Hive's processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault that struck."""

    fault: str
    at: float
    """When, in seconds since 1970."""

    lifted_at: float
    """When it was over, and what it had ended was started again."""

    pause_seconds: float | None = None
    """The longest time in which no task ended, of those that `longest_pause` looks at."""


@dataclass(kw_only=True)
class Result:
    """What a run came to."""

    orders: Orders
    struck: list[Struck] = field(default_factory=list[Struck])
    missed: dict[str, int] = field(default_factory=dict[str, int])
    """Strikes that met nobody: what they were aimed at was just being started again."""

    not_exercised: dict[str, str] = field(default_factory=dict[str, str])
    """Faults that this machine does not permit, and why."""

    violations: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    weights: dict[str, int] = field(default_factory=dict[str, int])
    """By promise, how many things it was held against."""

    leaks: dict[str, int] = field(default_factory=dict[str, int])
    left: int = 0
    asked: int = 0
    unacknowledged: int = 0
    states: dict[str, int] = field(default_factory=dict[str, int])
    runs: int = 0
    re_executions: int = 0
    overlaps_in_loops: int = 0
    stale_writes: int = 0
    lost_leases: int = 0
    starts: int = 0
    """How often a process of Hive was started by the driver."""

    exits: dict[str, int] = field(default_factory=dict[str, int])
    """How those ended until the quiet at the end, and how often."""

    lasted_seconds: float = 0.0
    """How long the load lasted."""

    logs: dict[str, str] = field(default_factory=dict[str, str])
    """How the log of each process ends."""

    @property
    def is_kept(self) -> bool:
        """Whether nothing was violated."""
        return not (any(self.violations.values()) or any(self.leaks.values()) or self.left)


async def run(orders: Orders, folder: Path) -> Result:
    """Do a run, whose files go into `folder`."""
    result = Result(orders=orders)
    witnesses = folder / "witnesses"
    async with Arena.open(folder, extra=orders.extra) as arena:
        scraper, listener = Scraper(arena), Listener(arena.servers)
        ticking: dict[str, Ticking] = {}
        work = Work(orders.seed, witnesses=witnesses, mark=arena.mark, sorts=orders.sorts)
        urls = arena.servers.urls()
        async with Hive.connect(urls["HIVE_DATABASE_URL"], urls["HIVE_REDIS_URL"]) as hive:
            driver = Driver(hive, work, arena.servers)
            await _come_up(scraper)
            has_ticks = TICKS in orders.sorts
            async with _beside(scraper, listener):
                if has_ticks:
                    await add_schedules(hive, witnesses)
                await _break(arena, driver, result)
                if has_ticks:
                    ticking = await end_schedules(
                        arena.servers, patience_seconds=orders.patience_seconds
                    )
                await settle(arena.servers, patience_seconds=orders.patience_seconds)
        await _look_around(arena, scraper, result)
        rows, ended_at = await read_rows(arena.servers)
        exits = Counter(str(each) for member in arena.members.values() for each in member.exits)
        result.exits = dict(sorted(exits.items()))
        await arena.stop()
        await _until_gone(arena.mark, of_tasks_alone=False)
        result.left += len(processes_left(arena.mark, of_tasks_alone=False))
        result.logs = {p.name: p.read_text(errors="replace")[-2000:] for p in arena.logs()}
        result.starts = sum(member.starts for member in arena.members.values())
    history = History(
        asked={**driver.asked, **asked_by_schedules(rows)},
        runs=read_witnesses(witnesses),
        rows=rows,
        ticking=ticking,
        hints=listener.heard,
        untrue_hints=listener.untrue,
    )
    _judge(history, ended_at, result)
    return result


async def _come_up(scraper: Scraper) -> None:
    """Return once every process of Hive answers."""
    async with asyncio.timeout(START_SECONDS):
        while len(await scraper.look()) <= len(scraper.arena.members):  # noqa: ASYNC110 - see scraper
            await asyncio.sleep(START_LOOK_SECONDS)


@asynccontextmanager
async def _beside(scraper: Scraper, listener: Listener) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(scraper.run()), group.create_task(listener.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _break(arena: Arena, driver: Driver, result: Result) -> None:
    """Submit the load, with faults that strike for as long as that takes."""
    orders = result.orders
    loop = asyncio.get_running_loop()
    began = loop.time()
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_strike_all(arena, result, is_over))
        await driver.run(
            tasks=orders.tasks if {*orders.sorts} != {TICKS} else 0,
            seconds=orders.seconds,
            all_within_seconds=orders.all_within_seconds,
        )
        is_over.set()
        result.lasted_seconds = loop.time() - began


async def _strike_all(arena: Arena, result: Result, is_over: asyncio.Event) -> None:
    names = result.orders.faults
    planned = strikes(result.orders.seed, faults={name: FAULTS[name].seconds for name in names})
    loop = asyncio.get_running_loop()
    began = loop.time()
    turns = asyncio.Semaphore(MOST_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        for strike in planned:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(began + strike.at_seconds):
                    await is_over.wait()
            # On a slow machine what a fault broke takes longer to come up again than was planned.
            await turns.acquire()
            if is_over.is_set():
                return
            blow = group.create_task(_strike(arena, strike, result))
            blow.add_done_callback(lambda _: turns.release())


async def _strike(arena: Arena, strike: Strike, result: Result) -> None:
    fault = FAULTS[strike.fault]
    if fault.needs is not None and fault.needs in arena.missing:
        result.not_exercised[strike.fault] = arena.missing[fault.needs]
        return
    at = time.clock_gettime(time.CLOCK_REALTIME)
    try:
        met = await fault.strike(Blow(arena=arena, seconds=strike.seconds, choice=strike.choice))
    except UnavailableError:
        # Another fault has just done worse to it.
        met = False
    if met:
        lifted_at = time.clock_gettime(time.CLOCK_REALTIME)
        result.struck.append(Struck(fault=strike.fault, at=at, lifted_at=lifted_at))
    else:
        result.missed[strike.fault] = result.missed.get(strike.fault, 0) + 1


async def _look_around(arena: Arena, scraper: Scraper, result: Result) -> None:
    patience_seconds = min(LEAK_SECONDS, result.orders.patience_seconds)
    result.leaks = await leaks(arena, scraper, patience_seconds=patience_seconds)
    await _until_gone(arena.mark, of_tasks_alone=True)
    result.left = len(processes_left(arena.mark, of_tasks_alone=True))
    result.stale_writes = scraper.total("hive_stale_writes_total")
    result.lost_leases = int(
        sum(
            value
            for samples in scraper.last.values()
            for name, value in samples.items()
            if name.startswith("hive_leases_expired_total")
        )
    )


async def _until_gone(mark: str, *, of_tasks_alone: bool) -> None:
    with suppress(TimeoutError):
        await until(
            lambda: not processes_left(mark, of_tasks_alone=of_tasks_alone), within_seconds=10
        )


def longest_pause(struck: Struck, ended_at: Sequence[float]) -> float | None:
    """Return the longest time without the end of a task while a fault could be felt.

    That is from when it struck to a while after it was lifted. None if no task ended later.

    Args:
        struck: the fault.
        ended_at: when tasks ended, in order.
    """
    first = bisect_right(ended_at, struck.at)
    last = bisect_right(ended_at, struck.lifted_at + AFTERWARDS_SECONDS)
    moments = [struck.at, *ended_at[first : last + 1]]
    return max((later - earlier for earlier, later in pairwise(moments)), default=None)


def _judge(history: History, ended_at: Sequence[float], result: Result) -> None:
    result.violations = violations(history)
    result.weights = weights(history)
    result.asked = len(history.asked)
    result.unacknowledged = sum(not asked.is_acknowledged for asked in history.asked.values())
    for row in history.rows:
        result.states[row.state] = result.states.get(row.state, 0) + 1
    result.runs = len(history.runs)
    result.re_executions = re_executions(history)
    result.overlaps_in_loops = overlaps_in_loops(history)
    result.struck = [
        replace(each, pause_seconds=longest_pause(each, ended_at))
        for each in sorted(result.struck, key=lambda each: each.at)
    ]
