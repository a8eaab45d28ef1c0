"""Hive through TLS, with passwords: what a certificate must be, and how a wrong one is refused."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from hive_bus.bus import Bus
from hive_client import Hive
from hive_contracts.errors import BusUnavailableError, ConfigurationError, HiveError
from hive_contracts.states import TaskState
from hive_dispatch.sender import BundleSender
from hive_services import EmbeddedPostgres
from hive_services.doors import door_of
from hive_store.connecting import connect
from hive_testkit.cluster import running_cluster
from hive_testkit.guarded_redis import GuardedRedis, running_guarded_redis
from hive_testkit.plugin import temporary_directory
from hive_testkit.tls import Authority, running_tls_proxy

HERE = "127.0.0.1"
WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Servers:
    """A Postgres and a Redis that are reached through TLS, by the names of a certificate."""

    database_password: str
    database_port: int
    redis: GuardedRedis
    redis_port: int
    authority: Path

    def database(
        self, *, host: str = "localhost", password: str | None = None, options: str = ""
    ) -> str:
        place = f"hive:{password or self.database_password}@{host}:{self.database_port}"
        options = options or f"sslmode=verify-full&sslrootcert={self.authority}"
        return f"postgresql://{place}/hive?{options}"

    def bus(self, role: str, *, host: str = "localhost", options: str = "") -> str:
        user = self.redis.url_of(role).removeprefix("unix://").partition("@")[0]
        options = options or f"ssl_ca_certs={self.authority}"
        return f"rediss://{user}@{host}:{self.redis_port}/0?{options}"


@asynccontextmanager
async def servers_with(*hosts: str, folder: Path) -> AsyncGenerator[Servers]:
    """Give servers whose certificate names `hosts`."""
    async with AsyncExitStack() as stack:
        places = [stack.enter_context(temporary_directory()) for _ in range(2)]
        door = door_of(places[0], "postgres", HERE)
        postgres = EmbeddedPostgres(places[0], durable=False, door=door)
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        redis = await stack.enter_async_context(running_guarded_redis(places[1]))
        authority = Authority(folder)
        context = authority.context_for(*hosts)
        ports = [
            await stack.enter_async_context(
                running_tls_proxy((HERE, door.port), context, is_postgres=True)
            ),
            await stack.enter_async_context(running_tls_proxy(redis.place, context)),
        ]
        yield Servers(door.password, ports[0], redis, ports[1], authority.file)


@pytest_asyncio.fixture
async def servers(tmp_path: Path) -> AsyncGenerator[Servers]:
    async with servers_with("localhost", folder=tmp_path) as found:
        yield found


async def test_a_hive_works_through_tls_with_passwords_and_tells_none_of_them(
    servers: Servers, tmp_path: Path
) -> None:
    async with running_cluster(servers.database(), servers.bus("queen"), tmp_path) as cluster:
        cluster.start("queen", "queen")
        cluster.start("worker", "worker", env={"HIVE_REDIS_URL": servers.bus("worker")})
        async with Hive.connect(servers.database(), servers.bus("submitter")) as hive:
            task_id = await hive.submit("command", {"argv": ["true"]})
            assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
        for process in cluster.processes.values():
            process.terminate()
        codes = [await asyncio.to_thread(p.wait, timeout=15) for p in cluster.processes.values()]
        assert codes == [0, 0]
        for log in ("queen", "worker"):
            said = (tmp_path / f"{log}.log").read_text()
            assert servers.database_password not in said
            assert "secret-of-" not in said


async def refusal_of_postgres(url: str) -> HiveError:
    with pytest.raises(HiveError) as refused:
        await connect(url)
    return refused.value


async def refusal_of_redis(url: str) -> str:
    """Return why the bus and the dispatch alike are refused."""
    async with Bus.open(url) as bus:
        with pytest.raises(BusUnavailableError) as refused:
            await bus.ping()
    async with BundleSender(url) as sender:
        with pytest.raises(BusUnavailableError):
            await sender.check_epoch()
    return str(refused.value)


async def test_a_certificate_of_an_unknown_authority_is_refused(
    servers: Servers, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").file
    error = await refusal_of_postgres(
        servers.database(options=f"sslmode=verify-full&sslrootcert={other}")
    )
    assert isinstance(error, ConfigurationError)
    assert "shows a certificate that is not trusted: " in str(error)
    assert "sslrootcert=FILE" in str(error)
    assert servers.database_password not in str(error)
    for options in (f"ssl_ca_certs={other}", "ssl_cert_reqs=required"):
        said = await refusal_of_redis(servers.bus("queen", options=options))
        assert "certificate verify failed" in said
        assert "secret-of-" not in said


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    async with servers_with("elsewhere.example", folder=tmp_path) as servers:
        error = await refusal_of_postgres(servers.database())
        assert isinstance(error, ConfigurationError)
        assert "not valid for 'localhost'" in str(error)
        said = await refusal_of_redis(servers.bus("queen"))
        assert "not valid for 'localhost'" in said
        asked_for = f"ssl_ca_certs={servers.authority}&ssl_check_hostname=false"
        async with Bus.open(servers.bus("queen", options=asked_for)) as bus:
            assert await bus.ping()
        async with Bus.open(servers.bus("queen", options="ssl_cert_reqs=none")) as bus:
            assert await bus.ping()


async def test_a_wrong_password_is_refused_and_not_told(servers: Servers) -> None:
    error = await refusal_of_postgres(servers.database(password="guessed"))
    assert isinstance(error, ConfigurationError)
    assert 'password authentication failed for user "hive"' in str(error)
    wrong = servers.bus("queen").replace("secret-of-hive_queen", "guessed")
    said = await refusal_of_redis(wrong)
    assert "invalid username-password pair" in said
    assert "guessed" not in str(error) + said


async def test_a_server_without_tls_is_not_spoken_to_where_tls_is_asked_for(
    servers: Servers,
) -> None:
    async with AsyncExitStack() as stack:
        place = stack.enter_context(temporary_directory())
        door = door_of(place, "postgres", HERE)
        plain = EmbeddedPostgres(place, durable=False, door=door)
        await plain.start()
        stack.push_async_callback(plain.stop)
        url = f"{plain.url_for_others}?sslmode=verify-full&sslrootcert={servers.authority}"
        error = await refusal_of_postgres(url)
        assert "without TLS" in str(error)
        assert door.password not in str(error)


async def test_an_authority_that_is_not_there_is_named(servers: Servers, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    error = await refusal_of_postgres(
        servers.database(options=f"sslmode=verify-full&sslrootcert={missing}")
    )
    assert "missing.pem" in str(error)
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        async with Bus.open(servers.bus("queen", options=f"ssl_ca_certs={missing}")):
            pass
