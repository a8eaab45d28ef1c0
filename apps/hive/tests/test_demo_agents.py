"""What `hive demo --agents` shows holds, and nothing is left of it."""

import json
from pathlib import Path

import pytest

from hive.demonstration.agents import SCENES
from hive_testkit.console import Console

pytestmark = pytest.mark.timeout(300)


def test_what_agents_do_and_do_wrong_comes_to_what_it_must(tmp_path: Path) -> None:
    console = Console(tmp_path / "none", {"TMPDIR": str(tmp_path)})
    shown = console("demo", "--agents", "--json")
    found = json.loads(shown.stdout)
    assert found["faults"] == []
    assert found["holds"]
    assert [agent["agent"] for agent in found["agents"]] == [scene.title for scene in SCENES]
    assert list(tmp_path.iterdir()) == []


def test_it_takes_no_number_of_tasks(tmp_path: Path) -> None:
    console = Console(tmp_path / "none")
    assert console("demo", "--agents", "--tasks", "20").returncode == 2
