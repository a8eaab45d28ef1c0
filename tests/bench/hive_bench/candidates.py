"""Who is measured: Hive and its peers, and for each how it is driven and what it promises."""

import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hive_bench.environments import PEERS, Environments
from hive_bench.ground import Ground
from peers.hive_peer import FUNCTION

__all__ = [
    "CANDIDATES",
    "HIVE",
    "Candidate",
    "Processes",
    "hive_environment",
    "hive_processes",
]

Processes: TypeAlias = Sequence[tuple[str, Sequence[str]]]
"""Roles, and the command line of each process."""

Question: TypeAlias = Callable[[], Awaitable[bool]]

HIVE: Final = (sys.executable, "-P", "-m", "hive")
"""The command line, in this Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A queue that no-ops are drained through."""

    name: str
    settings: str
    """How it is run, for people."""

    program: Callable[[Environments], Sequence[str]]
    """Its driver's command line; see peers/drive.py. Hive, in this Python, has none."""

    processes: Callable[[Sequence[str], int], Processes]
    """What runs while it works, given its driver's command line and the number of workers."""

    unfinished: str
    """What says whether a task is unfinished: SQL that selects a truth, or for Redis a script."""

    guess: int
    """About how many no-ops a second it does: the size of its warm-up."""

    database: str = "template0"
    """What its database is a copy of."""

    variables: Callable[[Environments], Mapping[str, str]] = field(default=lambda _: {})
    """What its processes find in their environment, beside what all find there."""

    marks: str = ""
    """In what it promises less than Hive."""

    @property
    def lives_in_redis(self) -> bool:
        """Whether its tasks are in Redis, which here keeps nothing."""
        return self.unfinished.startswith("return")

    @asynccontextmanager
    async def asking(self, ground: Ground, database: str) -> "AsyncGenerator[Question]":
        """Give a way to ask the store whether anything is unfinished."""
        if self.lives_in_redis:

            async def ask_redis() -> bool:
                return await ground.ask_redis(self.unfinished) > 0

            yield ask_redis
            return
        async with ground.connected(database) as connection:
            await connection.execute("set enable_seqscan = off")

            async def ask_postgres() -> bool:
                return bool(await connection.fetchval(self.unfinished))

            yield ask_postgres


def hive_processes(workers: int, *options: str) -> Processes:
    """Return a queen, and workers with these options."""
    worker = ("worker", (*HIVE, "worker", *options))
    return [("queen", (*HIVE, "queen")), *[worker] * workers]


def hive_environment() -> dict[str, str]:
    """Return what Hive's processes find: nothing of this machine's own settings."""
    return {
        "HIVE_DIE_WITH_PARENT": str(os.getpid()),
        "HIVE_CALLS_MODULES": FUNCTION.partition(":")[0],
        "HIVE_CALLS_PATH": str(PEERS.parent),
        "HIVE_QUEEN_METRICS_PORT": "0",
        "HIVE_WORKER_METRICS_PORT": "0",
    }


def _python(name: str) -> Callable[[Environments], Sequence[str]]:
    return lambda places: (places.python(name), "-m", f"peers.{name}_peer")


def _node(places: Environments) -> Sequence[str]:
    return places.node()[0], str(PEERS / "graphile_peer.mjs")


def _workers(program: Sequence[str], count: int) -> Processes:
    return [("worker", (*program, "worker"))] * count


def _beside_node(places: Environments) -> Mapping[str, str]:
    return {"BENCH_NODE": str(places.node()[1])}


_ALL: Final = (
    Candidate(
        name="hive",
        settings="one `hive queen`, `hive worker --async`, all as it comes; event log, attempts,"
        " fencing and metrics on",
        program=lambda _: (),
        processes=lambda _, n: hive_processes(n, "--async"),
        variables=lambda _: hive_environment(),
        unfinished="select exists(select from hive.task where num_nonnulls(lease_id) = 1)"
        " or exists(select from hive.task where queue = 'default' and state = 'queued')",
        guess=20_000,
        database="bench_hive",
    ),
    Candidate(
        name="graphile",
        settings="graphile-worker: localQueue of 500, batched completions, 24 jobs at once",
        program=_node,
        processes=_workers,
        variables=_beside_node,
        unfinished="select exists(select from graphile_worker._private_jobs)",
        guess=15_000,
        marks="deletes finished jobs",
    ),
    Candidate(
        name="pgqueuer",
        settings="PgQueuer: batches of 1000, logged tables",
        program=_python("pgqueuer"),
        processes=_workers,
        unfinished="select exists(select from pgqueuer)",
        guess=10_000,
        marks="deletes finished jobs",
    ),
    Candidate(
        name="arq",
        settings="100 jobs at once, poll each 10 ms, reads of 1000, no results kept",
        program=_python("arq"),
        processes=_workers,
        unfinished="return redis.call('zcard', 'arq:queue')",
        guess=1000,
        marks="not durable",
    ),
    Candidate(
        name="procrastinate",
        settings="Procrastinate: 10 jobs at once, the best of 1, 10 and 100",
        program=_python("procrastinate"),
        processes=_workers,
        unfinished="select exists(select from procrastinate_jobs"
        " where status in ('todo', 'doing'))",
        guess=400,
    ),
    Candidate(
        name="taskiq",
        settings="taskiq-redis: a stream, 100 tasks at once, 100 fetched ahead, orjson",
        program=_python("taskiq"),
        processes=_workers,
        unfinished="return redis.call('xpending', 'taskiq', 'taskiq')[1]",
        guess=2000,
        marks="not durable",
    ),
)

CANDIDATES: Final[Mapping[str, Candidate]] = {candidate.name: candidate for candidate in _ALL}
"""By name, Hive first."""
