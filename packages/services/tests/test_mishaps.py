"""What an embedded Postgres finds after a crash, and what it refuses to touch."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from hive_contracts.errors import ConfigurationError, ServiceUnavailableError
from hive_services import EmbeddedPostgres, EmbeddedRedis
from hive_services.processes import processes_in, signal_tree

PostgresIn = Callable[[Path], EmbeddedPostgres]
RedisIn = Callable[[Path], EmbeddedRedis]
Supervise = Callable[..., "subprocess.Popen[str]"]
Until = Callable[[Callable[[], object]], Awaitable[None]]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def stranger() -> Iterator[int]:
    """Process id of a living process that has nothing to do with Postgres."""
    process = subprocess.Popen(["sleep", "60"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def killed(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A Postgres that was killed after a table was committed."""
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("create table kept ()")
    connection.terminate()
    assert postgres.pid is not None
    signal_tree(postgres.pid, signal.SIGKILL)
    assert await postgres.wait() == -signal.SIGKILL
    return postgres


async def has_kept(server: EmbeddedPostgres) -> bool:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval("select to_regclass('kept') is not null")
    finally:
        await connection.close()


async def test_what_was_committed_survives_a_killed_server(killed: EmbeddedPostgres) -> None:
    assert killed.pid is None
    await killed.start()
    assert await has_kept(killed)


async def test_a_stale_process_id_that_now_is_a_strangers_does_not_prevent_the_start(
    killed: EmbeddedPostgres, data_dir: Path, stranger: int
) -> None:
    for name in ("postgres/postmaster.pid", "postgres.run/.s.PGSQL.5432.lock"):
        stale = data_dir / name
        _, _, rest = stale.read_text().partition("\n")
        stale.write_text(f"{stranger}\n{rest}")
    await killed.start()
    assert await has_kept(killed)


async def test_only_the_server_process_killed_leaves_children_that_are_waited_for(
    postgres: EmbeddedPostgres,
) -> None:
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    await postgres.wait()
    await postgres.start()
    assert postgres.pid is not None


async def test_a_half_made_directory_is_made_anew(
    empty_dir: Path, supervise: Supervise, postgres_in: PostgresIn, until: Until
) -> None:
    supervisor = supervise(empty_dir)
    await until(lambda: list(empty_dir.glob("postgres.new-*/global")))
    supervisor.kill()
    supervisor.wait()
    server = postgres_in(empty_dir)
    await server.start()
    assert not await has_kept(server)
    # The makers of the first one may have been at it when the second start tidied up.
    await server.stop()
    await server.start()
    assert not list(empty_dir.glob("postgres.new-*"))


async def test_a_cancelled_first_start_leaves_nothing_that_runs(
    empty_dir: Path, postgres_in: PostgresIn, until: Until
) -> None:
    server = postgres_in(empty_dir)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server.start())
        await until(lambda: list(empty_dir.glob("postgres.new-*/global")))
        task.cancel()
    assert server.pid is None
    (staging,) = empty_dir.glob("postgres.new-*")
    await until(lambda: not processes_in(staging))
    # And the directory is free again.
    await postgres_in(empty_dir).start()
    assert not staging.exists()


async def test_the_reason_of_a_failed_start_is_in_the_error(
    data_dir: Path, postgres_in: PostgresIn
) -> None:
    settings = data_dir / "postgres" / "postgresql.conf"
    whole = settings.read_text()
    settings.write_text("work_mem = much\n")
    server = postgres_in(data_dir)
    with pytest.raises(ServiceUnavailableError, match='"work_mem": "much"'):
        await server.start()
    assert server.pid is None
    settings.write_text(whole)
    await server.start()


async def test_a_refused_log_in_is_an_error_and_not_a_long_wait(
    postgres: EmbeddedPostgres,
) -> None:
    connection = await asyncpg.connect(postgres.url.replace("/hive?", "/postgres?"))
    await connection.execute("drop database hive")
    await connection.close()
    await postgres.stop()
    with pytest.raises(ServiceUnavailableError, match='database "hive" does not exist'):
        await postgres.start()
    assert postgres.pid is None


async def test_another_version_is_refused_with_the_way_out(
    data_dir: Path, postgres_in: PostgresIn
) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match=r"made by Postgres 16.*`hive backup FILE`"):
        await postgres_in(data_dir).start()


async def test_a_directory_that_holds_something_else_is_not_touched(
    empty_dir: Path, postgres_in: PostgresIn
) -> None:
    thesis = empty_dir / "postgres" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    with pytest.raises(ConfigurationError, match="holds no Postgres data"):
        await postgres_in(empty_dir).start()
    assert thesis.read_text() == "years of work"


@as_root
@pytest.mark.parametrize("given_away", [".", "postgres", "postgres.run"])
async def test_another_users_directory_is_refused(
    data_dir: Path, given_away: str, postgres_in: PostgresIn
) -> None:
    os.chown(data_dir / given_away, 12345, -1)
    with pytest.raises(ConfigurationError, match="belongs to user id 12345"):
        await postgres_in(data_dir).start()


async def test_a_directory_that_everybody_may_write_to_is_refused(
    empty_dir: Path, postgres_in: PostgresIn, redis_in: RedisIn
) -> None:
    empty_dir.chmod(0o777)
    for server in (postgres_in(empty_dir), redis_in(empty_dir)):
        with pytest.raises(ConfigurationError, match="everybody may write"):
            await server.start()


async def test_a_file_in_the_place_of_the_directory_is_refused(
    empty_dir: Path, postgres_in: PostgresIn
) -> None:
    file = empty_dir / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match="is not a directory"):
        await postgres_in(file).start()


async def test_a_second_supervisor_is_told_who_is_the_first(
    data_dir: Path, supervise: Supervise, postgres_in: PostgresIn, redis_in: RedisIn
) -> None:
    supervisor = supervise(data_dir)
    assert supervisor.stdout is not None
    supervisor.stdout.readline()
    for server in (postgres_in(data_dir), redis_in(data_dir)):
        with pytest.raises(ConfigurationError, match=f"process {supervisor.pid} already runs"):
            await server.start()


async def test_what_the_disk_refuses_is_told_and_may_be_tried_again(
    redis_in: Callable[[Path], EmbeddedRedis], empty_dir: Path
) -> None:
    server = redis_in(empty_dir)
    (empty_dir / "redis.log").mkdir()
    with pytest.raises(ServiceUnavailableError, match=r"redis of .* could not be started: .*redis"):
        await server.start()
    (empty_dir / "redis.log").rmdir()
    await server.start()
    assert server.pid is not None
