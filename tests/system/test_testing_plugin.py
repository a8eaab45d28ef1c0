"""The plugin for the tests of who uses Hive, as they have it: pytest in a project of theirs."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from hive_services.scratch import remove_abandoned_directories
from hive_testkit.waiting import until

# Each starts servers, and some of them queens and workers, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
FILE = re.compile(r"```python\n# (?P<name>\w+\.py)\n(?P<source>.*?)```", re.DOTALL)
LONGEST_SECONDS = 240
SETTINGS = "[pytest]\nfilterwarnings = error\n"
OF_ASYNCIO = "asyncio_default_fixture_loop_scope = function\n"

STAYS = """
import asyncio
import pytest

@pytest.mark.asyncio
async def test_that_stays(live_hive, tmp_path_factory):
    task_id = await live_hive.submit("command", {"argv": ["sleep", "600"]})
    while (await live_hive.show(task_id)).state != "running":
        await asyncio.sleep(0.02)
    print("STAYING", flush=True)
    await asyncio.sleep(600)
"""

OF_ITS_OWN = """
import pytest

@pytest.mark.parametrize("turn", range(6))
def test_nothing_is_there(sync_hive, turn):
    sync_hive.assert_nothing_submitted()
    sync_hive.submit("command", {"argv": ["true"]})
    assert len(sync_hive.drain()) == 1
"""

HEAVY = """
import sys

def test_that_needs_no_hive():
    heavy = ("asyncpg", "redis", "msgspec", "hive_store", "hive_client", "hive_services")
    assert [name for name in heavy if name in sys.modules] == []
    assert "hive.testing.plugin" in sys.modules
"""


@pytest.fixture
def project() -> Generator[Path]:
    """The directory of a project, and of what its tests leave behind."""
    with TemporaryDirectory(prefix="hive-test-") as name:
        project = Path(name)
        (project / "pytest.ini").write_text(SETTINGS + OF_ASYNCIO)
        yield project


def command_of(*words: str) -> list[str]:
    # Without the plugin of Hive's own tests, which a user does not have.
    without = ("-p", "no:hive", "-p", "no:cacheprovider", "-p", "no:cov")
    return [sys.executable, "-m", "pytest", *without, *words]


def run(project: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command_of(*words),
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def start(project: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start the tests of a project; what they say goes to the file `said`."""
    with (project / "said").open("wb") as said:
        return subprocess.Popen(
            command_of(*words), cwd=project, env=environment(), stdout=said, stderr=said
        )


def environment() -> dict[str, str]:
    named = ("HIVE_", "PYTEST_", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(named)}


def test_the_examples_of_the_page_run_as_they_stand(project: Path) -> None:
    files = dict(FILE.findall(PAGE))
    assert PAGE.count("```python") == len(files) == 4
    for name, source in files.items():
        (project / name).write_text(source)
    done = run(project)
    assert "6 passed" in done.stdout, done.stdout


def test_tests_share_nothing_also_on_several_processes(project: Path) -> None:
    (project / "test_own.py").write_text(OF_ITS_OWN)
    done = run(project, "-n", "2")
    assert "6 passed" in done.stdout, done.stdout


def test_who_needs_no_hive_pays_for_none(project: Path) -> None:
    (project / "test_light.py").write_text(HEAVY)
    done = run(project)
    assert "1 passed" in done.stdout, done.stdout


def test_without_a_runner_of_async_tests_there_is_a_way_out(project: Path) -> None:
    (project / "pytest.ini").write_text(SETTINGS)
    (project / "test_hive.py").write_text("def test_hive(hive): pass\n")
    (project / "test_plain.py").write_text(OF_ITS_OWN)
    done = run(project, "-p", "no:asyncio")
    assert "or use sync_hive" in done.stdout, done.stdout
    assert "6 passed, 1 error" in done.stdout, done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_however_the_tests_end_no_process_and_no_directory_is_left(
    project: Path, number: signal.Signals
) -> None:
    (project / "test_stays.py").write_text(STAYS)
    tests = start(project, "-s", "test_stays.py")
    try:
        await until(
            lambda: "STAYING" in (project / "said").read_text(), within_seconds=LONGEST_SECONDS / 2
        )
        below = psutil.Process(tests.pid).children(recursive=True)
        places = directories_of(below)
        assert len(below) > 6
        assert places
        tests.send_signal(number)
        tests.wait(LONGEST_SECONDS)
    finally:
        tests.kill()
        tests.wait()
    _, alive = psutil.wait_procs(below, timeout=60)
    assert [process.cmdline() for process in alive] == []
    remove_abandoned_directories("hive-testing-")
    assert [place for place in places if place.exists()] == []


def directories_of(processes: list[psutil.Process]) -> set[Path]:
    """The scratch directories that the processes name."""
    said = " ".join(word for process in processes for word in process.cmdline())
    return {Path(found) for found in re.findall(r"/[^\s=]*/hive-testing-\w+", said)}
