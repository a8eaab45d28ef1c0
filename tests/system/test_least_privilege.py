"""Real queens, workers and consoles, each as the user of its role, in Postgres and in Redis."""

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio

from hive_client import Cursor, Hive
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId
from hive_contracts.limits import Limit, LimitScope
from hive_contracts.states import TaskState
from hive_store import EventFilter, migrate, open_line
from hive_store.deeds import myself
from hive_store.webhook_store import Target, WebhookStore
from hive_testkit.cluster import Cluster, running_cluster, until
from hive_testkit.console import Console
from hive_testkit.guarded_redis import GuardedRedis, running_guarded_redis
from hive_testkit.plugin import OwnServer, temporary_directory
from hive_testkit.roles import ROLES, Roles, granted_roles, let_in
from hive_testkit.waiting import until as until_so

WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A Hive whose servers let in nobody but the users of its roles."""

    roles: Roles
    redis: GuardedRedis
    cluster: Cluster

    def start(self, name: str, *argv: str, role: str) -> None:
        self.cluster.start(name, *argv, env=self.environment(role))

    def environment(self, role: str) -> dict[str, str]:
        return {
            "HIVE_DATABASE_URL": self.roles.url_of(role),
            "HIVE_REDIS_URL": self.redis.url_of(role),
        }

    async def console(self, role: str, *words: str) -> "subprocess.CompletedProcess[str]":
        console = Console(self.cluster.folder / "console", self.environment(role))
        return await asyncio.to_thread(console, *words)

    def said(self, name: str) -> str:
        return (self.cluster.folder / f"{name}.log").read_text()


@pytest_asyncio.fixture
async def guarded(own_postgres: OwnServer, tmp_path: Path) -> AsyncGenerator[Guarded]:
    await migrate(own_postgres.url)
    with temporary_directory() as folder:
        async with granted_roles(own_postgres.url) as roles, running_guarded_redis(folder) as redis:
            await let_in(roles)
            cluster = running_cluster(own_postgres.url, redis.url_of("queen"), tmp_path)
            async with cluster as found:
                yield Guarded(roles, redis, found)


async def test_every_part_of_a_hive_does_its_work_as_the_user_of_its_role(
    guarded: Guarded,
) -> None:
    guarded.start("queen", "queen", role="queen")
    guarded.start("worker", "worker", role="worker")
    urls = guarded.roles.url_of("submitter"), guarded.redis.url_of("submitter")
    async with Hive.connect(*urls) as hive:
        task_ids = await guarded.cluster.submit(hive, 12)
        await hive.wait_for_all(task_ids, within=WITHIN)
        states = await hive.tasks.states(task_ids)
        assert set(states.values()) == {TaskState.SUCCEEDED}
        sleeper = await hive.submit("command", {"argv": ["sleep", "600"]})
        await hive_runs(hive, sleeper)
        await hive.cancel(sleeper)
        assert (await hive.wait(sleeper, within=WITHIN)).state is TaskState.CANCELLED
        assert await hive.tasks.revive([sleeper]) == [sleeper]
        await hive_runs(hive, sleeper)
        await hive.cancel(sleeper)
        await hive.wait(sleeper, within=WITHIN)
    for name in ("worker", "queen"):
        guarded.cluster.signal(name, signal.SIGTERM)
        assert await asyncio.to_thread(guarded.cluster.processes[name].wait, 30) == 0
        for word in ("denied", "permission", "NOPERM", "error"):
            assert word not in guarded.said(name).lower(), guarded.said(name)


async def hive_runs(hive: Hive, task_id: TaskId) -> None:
    """Return once a task runs."""

    async def is_running() -> bool:
        return (await hive.tasks.states([task_id]))[task_id] is TaskState.RUNNING

    await until_so(is_running, within_seconds=30)


async def test_a_viewer_sees_everything_and_changes_nothing(guarded: Guarded) -> None:
    async with Hive.connect(guarded.roles.url_of("submitter")) as hive:
        task_id = await hive.submit("command", {"argv": ["true"]})
    for words in (
        ("status",),
        ("show", "1"),
        ("workers",),
        ("events",),
        ("logs", "1"),
        ("doctor",),
    ):
        done = await guarded.console("viewer", *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    listed = await guarded.console("viewer", "list", "--json")
    assert [task["id"] for task in json.loads(listed.stdout)] == [task_id]
    for words in (("submit", "command", "--payload", '{"argv": ["true"]}'), ("cancel", "1", "-y")):
        refused = await guarded.console("viewer", *words)
        assert refused.returncode != 0
        assert "permission denied" in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr


async def test_webhooks_are_added_by_the_owner_and_served_by_queens(guarded: Guarded) -> None:
    signatures: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        signatures.extend(re.findall(r"webhook-signature: (v1,\S+)", head))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    url = "http://{}:{}/".format(*server.sockets[0].getsockname())
    for role in ("submitter", "queen"):
        refused = await guarded.console(role, "webhook", "add", url)
        assert refused.returncode == 2, refused.stdout
        assert "permission denied" in refused.stderr
    async with open_line(guarded.roles.database_url) as line:
        target = Target(url=url, secret="a secret of some length")
        await WebhookStore(line).add(target, EventFilter(), actor=myself())
    guarded.start("queen", "queen", role="queen")
    async with Hive.connect(guarded.roles.url_of("submitter")) as hive:
        await hive.submit("command", {"argv": ["true"]})
        async with hive.subscriber("books", begin=Cursor()) as events:
            assert (await anext(events)).type == "queued"
            await events.commit()
    await until_so(lambda: len(signatures) > 0, within_seconds=60)
    listed = await guarded.console("viewer", "webhook", "list", "--json")
    assert json.loads(listed.stdout)[0]["is_signed"] is True
    server.close()


async def test_an_operator_steers_and_a_submitter_does_not(guarded: Guarded) -> None:
    async with Hive.connect(guarded.roles.url_of("operator")) as hive:
        assert await hive.pause_queue("default", reason="a new model")
        await hive.set_limit(Limit(scope=LimitScope.KIND, target="command", max_running=1))
        assert [used.limit.target for used in await hive.limits()] == ["command"]
        assert await hive.remove_limit(LimitScope.KIND, "command")
        with pytest.raises(ConfigurationError, match="permission denied"):
            await hive.submit("command", {"argv": ["true"]})
    async with Hive.connect(guarded.roles.url_of("submitter")) as hive:
        task_id = await hive.submit("command", {"argv": ["true"]})
        with pytest.raises(ConfigurationError, match="permission denied"):
            await hive.resume_queue("default")
        with pytest.raises(ConfigurationError, match="permission denied"):
            await hive.move(task_id, queue="slow")
    async with Hive.connect(guarded.roles.url_of("operator")) as hive:
        assert await hive.move(task_id, queue="slow") == [task_id]


async def test_a_process_under_the_wrong_role_says_so_and_ends(guarded: Guarded) -> None:
    guarded.start("stray", "worker", role="viewer")
    process = guarded.cluster.processes["stray"]
    await until(lambda: process.poll() is not None, seconds=30, what="it goes on")
    assert process.returncode == 2
    assert "permission denied" in guarded.said("stray")


async def test_two_hives_on_the_same_servers_do_not_see_each_other(
    own_postgres: OwnServer, tmp_path: Path
) -> None:
    """Each tenant has a database, a prefix in Redis, and roles and users of its own in both."""
    databases = {"hive": own_postgres.url, "other": await another_database(own_postgres.url)}
    async with AsyncExitStack() as stack:
        place = stack.enter_context(temporary_directory())
        prefixes = tuple(databases)
        redis = await stack.enter_async_context(running_guarded_redis(place, prefixes=prefixes))
        hives: dict[str, Hive] = {}
        tenants: dict[str, Roles] = {}
        clusters: dict[str, Cluster] = {}
        for prefix, url in databases.items():
            await migrate(url)
            roles = tenants[prefix] = await stack.enter_async_context(granted_roles(url))
            await let_in(roles)
            folder = tmp_path / prefix
            folder.mkdir()
            cluster = clusters[prefix] = await stack.enter_async_context(
                running_cluster(url, "unset", folder)
            )
            for role in ("queen", "worker"):
                environment = {
                    "HIVE_DATABASE_URL": roles.url_of(role),
                    "HIVE_REDIS_URL": redis.url_of(role, prefix=prefix),
                    "HIVE_REDIS_PREFIX": prefix,
                }
                cluster.start(role, role, env=environment)
            hives[prefix] = await stack.enter_async_context(
                Hive.connect(
                    roles.url_of("submitter"),
                    redis.url_of("submitter", prefix=prefix),
                    redis_prefix=prefix,
                )
            )
        for prefix, hive in hives.items():
            # The ids are the same in both, and so is the queue.
            for task_id in await clusters[prefix].submit(hive, 8):
                assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
        for prefix, hive in hives.items():
            assert sum((await hive.tasks.count())["default"].values()) == 8
            assert (await clusters[prefix].count(hive)).succeeded == 8
        await refuse_each_others_users(tenants)


async def another_database(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("create database other")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(url)._replace(path="/other"))


async def refuse_each_others_users(tenants: Mapping[str, Roles]) -> None:
    one, two = tenants.values()
    for mine, theirs in ((one, two), (two, one)):
        for role in ROLES:
            place = urlsplit(theirs.database_url).path
            url = urlunsplit(urlsplit(mine.url_of(role))._replace(path=place))
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for d"):
                await asyncpg.connect(url)
