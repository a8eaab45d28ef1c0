"""What queens and workers take of Postgres' connections, and that a pooler may be in between."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from hive_client import Hive
from hive_store.budget import QUEEN_CONNECTIONS, SYNC_WORKER_CONNECTIONS, WORKER_CONNECTIONS
from hive_testkit.bouncer import running_bouncer
from hive_testkit.cluster import Cluster, check, running_cluster
from hive_testkit.waiting import until

ROOT = Path(__file__).parents[2]
WITHIN = timedelta(seconds=30)


class Census:
    """Counts connections to the database, beside its own and the client's."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def count(self) -> int:
        return await self._connection.fetchval(
            "select count(*) - 2 from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend'"
        )

    async def comes_to(self, count: int) -> None:
        async def is_so() -> bool:
            return await self.count() == count

        await until(is_so, within_seconds=30)


@pytest.fixture
async def census(cluster: Cluster) -> AsyncGenerator[Census]:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        yield Census(connection)
    finally:
        await connection.close()


async def test_a_process_at_work_holds_as_many_connections_as_the_budget_says(
    cluster: Cluster, hive: Hive, census: Census
) -> None:
    await hive.tasks.count()
    cluster.start("queen", "queen")
    await census.comes_to(QUEEN_CONNECTIONS)
    cluster.start("worker", "worker", "--slots", "8")
    await hive.wait_for_all(await cluster.submit(hive, 12), within=WITHIN)
    assert await census.count() == QUEEN_CONNECTIONS + WORKER_CONNECTIONS
    cluster.start("sync", "worker", "--sync", "other")
    at_work = QUEEN_CONNECTIONS + WORKER_CONNECTIONS + SYNC_WORKER_CONNECTIONS
    await hive.wait(await hive.submit("command", {"argv": ["true"]}, queue="other"), within=WITHIN)
    await census.comes_to(at_work)
    checks = json.loads(await cluster.printed("doctor", "--json"))
    [found] = [check["found"] for check in checks if check["name"] == "connections"]
    assert f"queens and workers (3) need {at_work};" in found


def test_the_numbers_in_the_documentation_are_those_of_the_budget() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for what, count in (
        ("`hive queen`", QUEEN_CONNECTIONS),
        ("`hive worker`, each process", WORKER_CONNECTIONS),
        ("`hive worker --sync`", SYNC_WORKER_CONNECTIONS),
    ):
        assert re.search(rf"^\| {re.escape(what)} \| {count}\b", page, re.MULTILINE)


async def test_a_hive_works_through_a_pooler_of_sessions_and_refuses_one_that_lends_them(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with TemporaryDirectory(prefix="hive-test-") as folder:
        with running_bouncer(database_url, Path(folder), pool_mode="session") as url:
            async with running_cluster(url, redis_url, tmp_path) as cluster:
                cluster.start("queen", "queen")
                cluster.start("worker", "worker")
                async with Hive.connect(url, redis_url) as hive:
                    await hive.wait_for_all(await cluster.submit(hive, 8), within=WITHIN)
                    await check(cluster, hive)
        with running_bouncer(database_url, Path(folder), pool_mode="transaction") as url:
            lent = Cluster(url, redis_url, tmp_path)
            try:
                for role in ("queen", "worker"):
                    lent.start(f"lent-{role}", role)
                for role in ("queen", "worker"):
                    code = await asyncio.to_thread(lent.processes[f"lent-{role}"].wait, 30)
                    said = (tmp_path / f"lent-{role}.log").read_text()
                    assert (code, said.count("set `pool_mode = session`")) == (2, 1), said
            finally:
                lent.stop()
