"""A Hive on two machines: `hive up --listen` on the one, `hive join` on the other."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
import pytest_asyncio

from hive import up_state
from hive_client import Hive
from hive_testkit.cluster import SHORT_TIMES, Cluster, check, until
from hive_testkit.console import HIVE, LONGEST_SECONDS
from hive_testkit.machines import Machine, connected_machines, reason_for_no_machines
from hive_testkit.plugin import temporary_directory
from hive_testkit.waiting import until as until_so

REASON = reason_for_no_machines()

pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")


@dataclass(frozen=True, slots=True)
class Site:
    """A machine, and where its `hive` keeps its files."""

    machine: Machine
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "said.log"

    @property
    def join_file(self) -> Path:
        return self.folder / "join.toml"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name[:5] != "HIVE_"}
        place = {"HIVE_DATA_DIR": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        return {**kept, **place, **more}

    def hive(self, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run `hive` here to its end."""
        return subprocess.run(
            self.machine.command(HIVE, *words),
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )

    def start(self, *words: str, log: IO[bytes], **more: str) -> "subprocess.Popen[bytes]":
        """Start `hive` here; it ends with this process at the latest."""
        tied = {"HIVE_DIE_WITH_PARENT": str(os.getpid()), **more}
        return subprocess.Popen(
            self.machine.command(HIVE, *words),
            env=self.environment(**tied),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def join(self, log: IO[bytes], queue: str) -> "subprocess.Popen[bytes]":
        return self.start("join", str(self.join_file), queue, log=log)


@contextmanager
def ending(process: "subprocess.Popen[bytes]") -> Generator["subprocess.Popen[bytes]"]:
    """Have the process leave in good order afterwards, if it still runs."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(LONGEST_SECONDS)
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Two:
    """Two machines that share a Hive, which serves queue `near` on one, `far` on the other."""

    near: Site
    far: Site
    joined: "subprocess.Popen[bytes]"
    """`hive join` on the far machine."""

    @property
    def urls(self) -> tuple[str, str]:
        state = up_state.read(self.near.folder)
        assert state is not None
        return state.database_url, state.redis_url


@pytest.fixture(scope="module")
def two() -> Generator[Two]:
    with ExitStack() as stack:
        near, far = (
            Site(machine, stack.enter_context(temporary_directory()))
            for machine in stack.enter_context(connected_machines("near", "far"))
        )
        log = stack.enter_context(near.log.open("wb"))
        # The far machine learns of the short times by the join file alone.
        environment = {**SHORT_TIMES, "HIVE_WORKER_QUEUES": "near"}
        up = near.start("up", "--listen", near.machine.address, log=log, **environment)
        stack.enter_context(ending(up))
        wait_for(near.log, "hive join join.toml", up)
        shutil.copy(near.join_file, far.join_file)
        far_log = stack.enter_context(far.log.open("wb"))
        joined = stack.enter_context(ending(far.join(far_log, "far")))
        wait_for(far.log, "the worker is at work", joined)
        yield Two(near, far, joined)


def wait_for(log: Path, words: str, process: "subprocess.Popen[bytes]") -> None:
    """Return once the process has said it."""

    def is_said() -> bool:
        assert process.poll() is None, log.read_text()
        return words in log.read_text()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(until(is_said, seconds=30, what=f"{log} does not say {words!r}"))


@pytest_asyncio.fixture
async def hive(two: Two) -> AsyncGenerator[Hive]:
    async with Hive.connect(*two.urls) as found:
        yield found


@pytest.fixture
def cluster(two: Two, tmp_path: Path) -> Cluster:
    """The work that both machines are given, and what is known of its results."""
    return Cluster(*two.urls, tmp_path)


def test_each_machine_runs_what_the_other_submits(two: Two) -> None:
    there = two.near.hive("run", "--queue", "far", "--", "uname", "-n")
    assert (there.stdout, there.returncode) == ("far\n", 0), there.stderr
    named = {"HIVE_CONFIG": str(two.far.join_file)}
    here = two.far.hive("run", "--queue", "near", "--", "uname", "-n", **named)
    assert (here.stdout, here.returncode) == ("near\n", 0), here.stderr
    task = ("command", "--payload", '{"argv": ["true"]}', "--queue", "far", "--wait", "--json")
    ended = json.loads(two.near.hive("submit", *task).stdout)
    shown = two.far.hive("show", str(ended["id"]), "--json", "--config", str(two.far.join_file))
    assert json.loads(shown.stdout)["worker_host"] == "far"


def test_a_machine_with_an_old_password_is_refused_in_a_sentence(two: Two, tmp_path: Path) -> None:
    stale = tmp_path / "join.toml"
    stale.touch(mode=0o600)
    stale.write_text(two.far.join_file.read_text().replace("://hive:", "://hive:0"))
    refused = two.far.hive("join", str(stale))
    assert refused.returncode == 2
    assert 'password authentication failed for user "hive"' in refused.stderr
    assert "copy join.toml from the other machine again" in refused.stderr
    assert "postgresql://hive:***@10.77.0.1:" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_an_address_that_is_not_reached_is_named(two: Two, tmp_path: Path) -> None:
    astray = tmp_path / "join.toml"
    astray.touch(mode=0o600)
    astray.write_text(two.far.join_file.read_text().replace("10.77.0.1", "192.0.2.1"))
    lost = two.far.hive("join", str(astray))
    assert lost.returncode == 1
    assert "Postgres at 192.0.2.1, port " in lost.stderr
    assert "cannot be reached (Network is unreachable)" in lost.stderr
    assert lost.stderr.count("\n") == 1


async def test_a_cut_cable_loses_nothing_and_the_far_machine_comes_back(
    two: Two, cluster: Cluster, hive: Hive
) -> None:
    cluster.processes["far"] = two.joined
    task_ids = await cluster.submit(hive, 16, queue="far")
    # Struck while it holds work; frozen, so that it does not finish that before the cable is out.
    await cluster.freeze_at_work("far")
    two.near.machine.cut()
    cluster.signal("far", signal.SIGCONT)
    try:
        await until_lost(cluster, hive)
    finally:
        two.near.machine.mend()
    await hive.wait_for_all(task_ids)
    cluster.processes.clear()
    assert (await check(cluster, hive)).losses > 0


async def test_a_killed_far_worker_loses_nothing(two: Two, cluster: Cluster, hive: Hive) -> None:
    with (cluster.folder / "workers.log").open("wb") as log:
        with ending(two.far.join(log, "second")) as second:
            cluster.processes["second"] = second
            task_ids = await cluster.submit(hive, 16, queue="second")
            await cluster.freeze_at_work("second")
            cluster.signal("second", signal.SIGKILL)
        cluster.processes.clear()
        with ending(two.near.start("worker", "second", log=log, **SHORT_TIMES)):
            await hive.wait_for_all(task_ids)
    assert (await check(cluster, hive)).losses > 0


async def until_lost(cluster: Cluster, hive: Hive) -> None:
    """Return once an attempt was lost: the far machine's leases have lapsed."""

    async def is_lost() -> bool:
        return (await cluster.count(hive)).losses > 0

    await until_so(is_lost, within_seconds=30)
