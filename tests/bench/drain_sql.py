"""How fast bare SQL drains Hive's own table: claim, accept, read, finish in a loop, nothing else.

    .venv/bin/python tests/bench/drain_sql.py [TASKS [BUNDLE ...]]

Starts a durable Postgres of its own. For each bundle size (50, 200, 500) and each variant of the
table it drains TASKS (50,000) three times and prints tasks a second as min / median / max, and the
milliseconds that each statement took. This is the limit that queen and worker are measured against,
and what the layout of the table was chosen by (docs/decisions/0002).
"""

import asyncio
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from hive_services import EmbeddedPostgres
from hive_store import HOT_SETTINGS, migrate
from hive_store.claiming import ClaimedBundle, Watermarks
from hive_store.connecting import Connection, connect
from hive_store.statements import statement

ROUNDS = 3
PAYLOAD = '{"argv": ["/bin/true"], "note": "some forty bytes of payload, as tasks have"}'

VARIANTS = {
    "as it is": "",
    "no index on the lease": "drop index hive.task_leased",
    "fill factor 70": "alter table hive.task set (fillfactor = 70)",
}


async def fill(connection: Connection, count: int) -> None:
    """Submit `count` tasks."""
    for _ in range(count // 1000):
        await connection.fetch(
            statement("submit_tasks"),
            ["noop"] * 1000,
            [PAYLOAD] * 1000,
            ["default"] * 1000,
            [0] * 1000,
            [None] * 1000,
            [3] * 1000,
            [3] * 1000,
            [None] * 1000,
            [None] * 1000,
        )


async def drain(url: str, count: int, bundle: int) -> tuple[float, dict[str, float]]:
    """Drain `count` tasks; return tasks a second, and milliseconds by statement."""
    hot = await connect(url, settings=HOT_SETTINGS)
    queen, worker, marks = uuid4(), uuid4(), Watermarks()
    spent: dict[str, float] = {}
    left, began = count, time.perf_counter()

    async def send(name: str, *arguments: object) -> list[Any]:
        start = time.perf_counter()
        rows = await hot.fetch(statement(name), *arguments)
        spent[name] = spent.get(name, 0) + time.perf_counter() - start
        return list(rows)

    while left:
        parts = marks.intervals()
        rows = await send(
            "claim_tasks", queen, "default", bundle, 15.0, bundle, 1, parts.after_priorities,
            parts.after_run_ats, parts.after_ids, parts.last_priorities, "",
        )  # fmt: skip
        marks.advance(
            ClaimedBundle(
                lease_id=r[0], priority=r[1], size=r[2], kinds=(), last_run_at=r[4], last_id=r[5]
            )
            for r in rows
        )
        leases = [r[0] for r in rows]
        await send("accept_leases", worker, leases, 15.0)
        tasks = await send("read_leased_tasks", worker, leases)
        n = len(tasks)
        await send(
            "finish_tasks", [t[0] for t in tasks], [t[1] for t in tasks], ["succeed"] * n,
            ["succeeded"] * n, ['{"ok": true}'] * n, [None] * n, [None] * n, [0.0] * n, leases,
            worker,
        )  # fmt: skip
        left -= n
    seconds = time.perf_counter() - began
    rounds = count / bundle
    await hot.close()
    return count / seconds, {name: 1000 * s / rounds for name, s in spent.items()}


async def measure(count: int, bundles: list[int]) -> None:
    """Measure every variant at every bundle size."""
    with TemporaryDirectory(prefix="hive-bench-") as directory:
        server = EmbeddedPostgres(Path(directory))
        await server.start()
        try:
            for name, change in VARIANTS.items():
                for bundle in bundles:
                    await _measure_one(server.url, name, change, count, bundle)
        finally:
            await server.stop()


async def _measure_one(url: str, name: str, change: str, count: int, bundle: int) -> None:
    rates: list[float] = []
    milliseconds: dict[str, float] = {}
    for _ in range(ROUNDS):
        connection = await connect(url)
        await connection.execute("drop schema if exists hive cascade")
        await migrate(url)
        if change:
            await connection.execute(change)
        await fill(connection, count)
        await connection.execute("checkpoint")
        await connection.close()
        rate, milliseconds = await drain(url, count, bundle)
        rates.append(rate)
    spent = " ".join(f"{k.split('_')[0]} {v:.2f}" for k, v in milliseconds.items())
    print(
        f"{name:24} bundle {bundle:4}: {min(rates):7,.0f} {statistics.median(rates):7,.0f}"
        f" {max(rates):7,.0f} tasks/s   ms: {spent}",
        flush=True,
    )


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measure(given[0] if given else 50_000, given[1:] or [50, 200, 500]))
