"""Every row of the benchmark, as small as can be: figures are produced, however large they are."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROWS = (
    "drain-sql", "drain-graphile", "drain-pgqueuer", "drain-arq", "drain-procrastinate",
    "drain-taskiq", "two-workers", "cpu", "memory", "latency", "submit", "flat", "snapshot",
    "spawn", "async", "logs-first-byte", "flood-memory", "silent", "map-parallel", "map-xargs",
    "cancel", "cancel-many",
)  # fmt: skip
NEED_PEERS = {
    "drain-graphile", "drain-pgqueuer", "drain-arq", "drain-procrastinate", "drain-taskiq",
    "latency", "map-parallel",
}  # fmt: skip

LONGEST_SECONDS = 480
HERE = Path(__file__).parent

pytestmark = pytest.mark.timeout(2 * LONGEST_SECONDS)


class Ran:
    """What a run printed and wrote."""

    def __init__(self, printed: str, folder: Path) -> None:
        lines = [line.split() for line in printed.splitlines() if ":" not in line]
        self.order = [words[0] for words in lines]
        self.states = {words[0]: words[-1] for words in lines}
        self.figures = {words[0]: words[1] for words in lines}
        self.page = (folder / "performance.md").read_text()
        self.samples: dict[str, Any] = json.loads((folder / "performance.json").read_text())
        self.drawing = (folder / "performance-drains.svg").read_text()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("bench")
    argv = [sys.executable, "-m", "hive_bench", "--smoke", "--out", str(folder)]
    with subprocess.Popen(
        argv,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, said = process.communicate(timeout=LONGEST_SECONDS)
        except BaseException:
            process.send_signal(signal.SIGTERM)
            raise
    assert process.returncode == 0, said
    return Ran(printed, folder)


def test_each_row_ends_with_its_name_its_figure_its_reach_and_its_state(ran: Ran) -> None:
    assert tuple(ran.order) == ROWS
    assert set(ran.states.values()) <= {"ok", "short", "missing"}


def test_nothing_is_missing_but_what_needs_a_peer_that_is_not_installed(ran: Ran) -> None:
    absent = {name for name, state in ran.states.items() if state == "missing"}
    assert absent <= NEED_PEERS
    why = {row["name"]: row["why_missing"] for row in ran.samples["rows"]}
    assert all("make bench" in why[name] or "npm" in why[name] for name in absent)


def test_every_figure_that_is_there_is_more_than_nothing(ran: Ran) -> None:
    there = [figure for name, figure in ran.figures.items() if ran.states[name] != "missing"]
    values = [float(part.replace(",", "")) for figure in there for part in figure.split("/")]
    assert min(values) > 0


def test_processor_time_is_told_for_each_process(ran: Ran) -> None:
    [drain] = ran.samples["drains"]["1"]["hive"]
    assert set(drain["cpu_microseconds"]) == {"queen", "worker", "redis", "postgres"}


def test_the_page_says_where_it_was_measured_and_that_commits_were_durable(ran: Ran) -> None:
    assert "fsync on, synchronous_commit on" in ran.page
    assert ran.samples["machine"]["load"] in ran.page
    assert "$" not in ran.page


def test_the_page_and_the_drawing_show_every_candidate_that_ran(ran: Ran) -> None:
    ones = ran.samples["drains"]["1"]
    for name in ones.keys() - {"missing", "bare SQL"}:
        assert f"| {name} |" in ran.page
        assert name.capitalize() in ran.drawing


@pytest.mark.parametrize(
    ("name", "figures"), [("worktrees", "bytes of disk for each"), ("history", "bytes a task")]
)
def test_what_takes_long_is_measured_when_it_is_asked_for(
    name: str, figures: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hive_bench", "--smoke", "--out", str(tmp_path), name],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2].startswith(f"{name} ")
    [row] = json.loads((tmp_path / "performance.json").read_text())["rows"]
    assert row["why_missing"] is None
    assert min(row["details"][figures]) > 0


def test_a_row_that_does_not_exist_is_refused_with_those_that_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hive_bench", "drain-quickly"],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no row 'drain-quickly'; there are drain-sql" in done.stderr
