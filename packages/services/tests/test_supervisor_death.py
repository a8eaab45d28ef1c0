"""Nothing runs after its supervisor is gone, whoever the supervisor was."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from hive_services import EmbeddedPostgres
from hive_services.binaries import find_postgres
from hive_testkit.plugin import temporary_directory

PostgresIn = Callable[[Path], EmbeddedPostgres]
Supervise = Callable[..., "subprocess.Popen[str]"]
Until = Callable[[Callable[[], object]], Awaitable[None]]
AwaitEnd = Callable[[int], None]

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def servers_of(supervisor: "subprocess.Popen[str]") -> tuple[int, int, str]:
    """Return the process ids of Postgres and Redis, and the URL of Postgres, once both run."""
    assert supervisor.stdout is not None
    words = supervisor.stdout.readline().split()
    if not words:
        _, said = supervisor.communicate()
        pytest.fail(f"the supervisor did not start its servers: {said}")
    return int(words[0]), int(words[1]), words[2]


def stop(supervisor: "subprocess.Popen[str]") -> None:
    """Let the supervisor stop its servers and end."""
    said, complaints = supervisor.communicate(timeout=30)
    assert said == "stopped\n", complaints
    assert complaints == ""
    assert supervisor.returncode == 0


@pytest.fixture
def outside_path() -> Iterator[str]:
    """A PATH without `unshare`, as on a machine that allows no user namespaces."""
    with temporary_directory() as directory:
        directory.chmod(0o755)
        for tool in ("setpriv", "sh", "true"):
            found = shutil.which(tool)
            assert found is not None
            (directory / tool).symlink_to(found)
        yield str(directory)


def test_servers_die_with_a_killed_supervisor(
    data_dir: Path, supervise: Supervise, await_end_of: AwaitEnd
) -> None:
    supervisor = supervise(data_dir)
    postgres_pid, redis_pid, _ = servers_of(supervisor)
    supervisor.kill()
    await_end_of(postgres_pid)
    await_end_of(redis_pid)


async def test_the_next_supervisor_waits_until_the_old_server_is_down(
    data_dir: Path, supervise: Supervise, postgres_in: PostgresIn, until: Until
) -> None:
    supervisor = supervise(data_dir)
    postgres_pid, _, url = servers_of(supervisor)
    # Frozen, it stays on its way down for as long as we like.
    os.kill(postgres_pid, signal.SIGSTOP)
    try:
        supervisor.kill()
        supervisor.wait()
        successor = postgres_in(data_dir)
        async with asyncio.TaskGroup() as group:
            group.create_task(successor.start())
            lock = data_dir / "postgres.lock"
            await until(lambda: lock.read_text() == f"{os.getpid()}\n")
            assert successor.pid is None
            os.kill(postgres_pid, signal.SIGCONT)
    finally:
        with suppress(ProcessLookupError):
            os.kill(postgres_pid, signal.SIGCONT)
    assert successor.url == url
    connection = await asyncpg.connect(url)
    await connection.close()


def test_a_stopped_supervisor_stops_its_servers(
    data_dir: Path, supervise: Supervise, await_end_of: AwaitEnd
) -> None:
    supervisor = supervise(data_dir)
    postgres_pid, redis_pid, _ = servers_of(supervisor)
    stop(supervisor)
    await_end_of(postgres_pid)
    await_end_of(redis_pid)


@as_root
def test_an_ordinary_user_runs_his_own_servers(
    empty_dir: Path, supervise: Supervise, await_end_of: AwaitEnd
) -> None:
    os.chown(empty_dir, NOBODY, NOBODY)
    supervisor = supervise(empty_dir, prefix=AS_NOBODY)
    postgres_pid, redis_pid, _ = servers_of(supervisor)
    assert (empty_dir / "postgres" / "PG_VERSION").stat().st_uid == NOBODY
    assert Path(f"/proc/{postgres_pid}").stat().st_uid == NOBODY
    supervisor.send_signal(signal.SIGKILL)
    await_end_of(postgres_pid)
    await_end_of(redis_pid)


@as_root
async def test_root_without_namespaces_runs_postgres_as_an_account(
    empty_dir: Path, supervise: Supervise, await_end_of: AwaitEnd, outside_path: str
) -> None:
    empty_dir.chmod(0o711)
    supervisor = supervise(empty_dir / "data", env={"PATH": outside_path})
    postgres_pid, redis_pid, url = servers_of(supervisor)
    assert Path(f"/proc/{postgres_pid}").stat().st_uid not in {0, NOBODY}
    connection = await asyncpg.connect(url)
    await connection.close()
    supervisor.send_signal(signal.SIGKILL)
    await_end_of(postgres_pid)
    await_end_of(redis_pid)


@as_root
def test_another_user_may_not_log_in_even_if_the_directory_is_open(
    empty_dir: Path, data_dir: Path, supervise: Supervise
) -> None:
    supervisor = supervise(data_dir)
    _, _, url = servers_of(supervisor)
    socket_dir = data_dir / "postgres.run"
    for opened in (empty_dir, data_dir, socket_dir):
        opened.chmod(0o755)
    (socket_dir / ".s.PGSQL.5432").chmod(0o777)
    psql = find_postgres().directory / "psql"
    query = [psql, url, "-Atc", "select 1"]
    allowed = subprocess.run(query, capture_output=True, text=True, check=False)
    refused = subprocess.run([*AS_NOBODY, *query], capture_output=True, text=True, check=False)
    assert allowed.stdout == "1\n", allowed.stderr
    assert "Peer authentication failed" in refused.stderr
    stop(supervisor)
