"""`hive down` and what it leaves of a Hive: tasks, or nothing at all; and a worker that dies."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from hive import up_state
from hive.demonstration.killing import Killed, kill_a_working_worker
from hive.mapping.outlet import PrintedOutputs
from hive.purging import OWN_NAMES, estate_of
from hive.settings import load
from hive.tasks.reaching import open_view
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId
from hive_process.workspaces.programs import ChildPrograms
from hive_process.workspaces.yard import Yard
from hive_testkit.console import Console
from hive_testkit.waiting import until

STUBBORN = """
import asyncio

async def stay():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
"""

TASK = ("submit", "command", "--payload", '{"argv": ["sleep", "60"]}')


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A Hive of this module's own that is up, in a directory with something that is not Hive's."""
    # It listens, and so has all the files that a Hive can have.
    given = {"HIVE_WORKER_HEARTBEAT_SECONDS": "0.5", "HIVE_SERVICES_LISTEN": "127.0.0.1"}
    console = Console(tmp_path_factory.mktemp("own") / "data", given)
    up = console("up", "-d")
    assert up.returncode == 0, up.stderr
    (console.data_dir / "mine.txt").write_text("kept")
    yield console
    console("down", "--now")


def worker_pid(own: Console) -> int | None:
    state = up_state.read(own.data_dir)
    assert state is not None
    return state.processes[-1].pid if state.processes[-1].is_ready else None


def running(own: Console, task: str) -> bool:
    return json.loads(own("show", task, "--json").stdout)["state"] == "running"


def test_what_a_second_up_does_not_apply_is_told(own: Console) -> None:
    again = own("up", "-d", "--set", "worker.slots=9")
    assert again.returncode == 0
    assert "hive: not applied: worker.slots; to apply it: hive down, then" in again.stderr
    assert "not applied" not in own("up", "-d").stderr


def test_stopping_at_once_gives_tasks_back_and_leaves_no_worker_behind(own: Console) -> None:
    task = own(*TASK).stdout.strip()
    while not running(own, task):
        pass
    down = own("down", "--now")
    assert down.stderr == "hive: stopped the supervisor, queen, worker-1\n"
    assert own("up", "-d").returncode == 0
    workers = json.loads(own("status", "--json").stdout)["workers"]
    assert len(workers) == 1, (own.data_dir / "logs" / "worker-1.log").read_text()
    os.kill(workers[0]["pid"], 0)
    found = json.loads(own("show", task, "--json").stdout)
    assert [past["outcome"] for past in found["history"]] == ["released"]
    assert found["losses"] == 0
    first, *_ = [line for line in own("show", task).stdout.splitlines() if "released" in line]
    assert re.search(rf"{os.uname().nodename}, process \d+", first)


async def test_the_demonstration_kills_a_worker_that_works_and_no_other(own: Console) -> None:
    settings = load(flags={"services.data_dir": str(own.data_dir)}, environment={})
    async with open_view(settings) as view:
        pid = worker_pid(own)
        assert pid is not None
        assert await kill_a_working_worker(own.data_dir, view.tasks, []) is None
        assert psutil.Process(pid).status() != psutil.STATUS_STOPPED

        task = TaskId(int(own(*TASK, "--no-rerun").stdout))
        await until(lambda: running(own, str(task)))
        killed = await kill_a_working_worker(own.data_dir, view.tasks, [task])
        assert killed == Killed(name="worker-1", pid=pid, running=1)
        await until(lambda: worker_pid(own) not in (None, pid), within_seconds=30)


async def test_a_worker_that_died_is_told_as_silent_after_two_heartbeats(own: Console) -> None:
    await until(lambda: re.search(r"  silent [\d.]+ s ", own("status").stdout) is not None)
    task = json.loads(own("status", "--json").stdout)
    assert any(worker["unseen_seconds"] > 1 for worker in task["workers"])


async def test_a_third_signal_ends_a_worker_that_cannot_stop_what_it_runs(
    own: Console, tmp_path: Path
) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    console = Console(own.data_dir, {"PYTHONPATH": str(tmp_path)})
    payload = json.dumps({"function": "stubborn:stay"})
    words = ("submit", "call", "--queue", "stubborn", "--no-rerun", "--payload", payload)
    task = console(*words).stdout.strip()
    worker = console.start("worker", "stubborn", "--allow", "stubborn", stderr=subprocess.DEVNULL)

    def has_ended() -> bool:
        # Signals of one kind that nobody has heard yet are one: so it is told until it ends.
        worker.send_signal(signal.SIGTERM)
        return worker.poll() is not None

    try:
        await until(lambda: running(own, task), within_seconds=30)
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGINT)
        await until(has_ended, within_seconds=30)
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "add --yes or --confirm=data; nothing was done"),
        (["--confirm", "other"], "--confirm says 'other', but it is 'data'; nothing was done"),
    ],
)
def test_off_a_terminal_nothing_is_purged_without_a_word(
    own: Console, words: list[str], sentence: str
) -> None:
    done = own("down", "--purge", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert own("status").returncode == 0


def test_a_directory_that_is_no_hives_is_not_purged(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    done = Console(tmp_path)("down", "--purge", "--yes")
    assert done.returncode == 2
    assert done.stderr.startswith(f"hive: {tmp_path} is no data directory of a Hive")
    assert (tmp_path / "postgres").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_not_purged(tmp_path: Path) -> None:
    (tmp_path / "up.lock").touch()
    os.chown(tmp_path, 65534, -1)
    done = Console(tmp_path)("down", "--purge", "--yes")
    assert done.returncode == 2
    assert "belongs to user id 65534, and this process runs as user id 0" in done.stderr
    assert (tmp_path / "up.lock").exists()


def test_tasks_on_a_server_of_ones_own_stay_and_that_is_told(tmp_path: Path) -> None:
    for name in ("up.lock", "up.json", "redis.log"):
        (tmp_path / name).touch()
    (tmp_path / "logs").mkdir()
    (tmp_path / "maps").mkdir()
    url = "postgresql://me:s3cret@db/hive"
    done = Console(tmp_path, {"HIVE_DATABASE_URL": url})("down", "--purge", "--yes", "--json")
    assert "hive: tasks are in postgresql://me:***@db/hive and stay there" in done.stderr
    assert len(json.loads(done.stdout)["deleted"]) == 5
    assert not tmp_path.exists()


def test_what_does_not_exist_needs_no_purge(tmp_path: Path) -> None:
    done = Console(tmp_path / "absent")("down", "--purge", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"stopped": None, "deleted": []}


def test_a_hive_whose_server_still_runs_is_not_purged(tmp_path: Path) -> None:
    (tmp_path / "up.lock").touch()
    (tmp_path / "postgres").mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path / "postgres") as server:
        done = Console(tmp_path)("down", "--purge", "--yes")
        server.kill()
    assert done.returncode == 1
    assert f"process {server.pid} still works in {tmp_path / 'postgres'}" in done.stderr
    assert (tmp_path / "up.lock").exists()


def test_a_purge_knows_every_name_that_a_used_directory_holds_and_no_other(own: Console) -> None:
    PrintedOutputs(own.data_dir, "g").add([TaskId(1)])
    Yard(own.data_dir / "ws", ChildPrograms()).prepare()
    estate = estate_of(own.data_dir)
    assert estate is not None
    assert [entry.name for entry in estate.foreign] == ["mine.txt"]
    unused = [name for name in OWN_NAMES if not any(entry.match(name) for entry in estate.own)]
    assert unused == []


def test_on_a_terminal_it_asks_and_no_means_no_and_yes_deletes_what_is_hives(own: Console) -> None:
    terminal = own.on_terminal(["down", "--purge"])
    terminal.expect_exact("with everything it keeps there? This cannot be undone. [y/N] ")
    terminal.sendline("n")
    terminal.expect_exact("hive: nothing was done")
    terminal.read()
    terminal.close()
    assert own("status").returncode == 0

    terminal = own.on_terminal(["down", "--purge", "--now"])
    terminal.expect_exact("[y/N] ")
    terminal.sendline("y")
    terminal.expect_exact("hive: stopped the supervisor")
    terminal.expect_exact("kept what is not Hive's: mine.txt")
    terminal.read()
    terminal.close()
    assert terminal.exitstatus == 0
    assert [entry.name for entry in own.data_dir.iterdir()] == ["mine.txt"]

    (own.data_dir / "mine.txt").unlink()
    (own.data_dir / "up.lock").touch()
    done = own("down", "--purge", "--confirm=data")
    assert done.stderr.endswith(f"hive: deleted {own.data_dir} and everything in it\n")
    assert not own.data_dir.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_hive_of_another_user_is_not_taken_for_one_that_does_not_run() -> None:
    with TemporaryDirectory(prefix="hive-test-") as directory:
        (Path(directory) / "up.json").write_text("{}")
        Path(directory).chmod(0o700)
        os.seteuid(65534)
        try:
            with pytest.raises(ConfigurationError, match="may not be read by user id 65534"):
                up_state.read(Path(directory))
        finally:
            os.seteuid(0)
