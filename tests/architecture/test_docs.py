"""Pages that are drawn from code say what the code says."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOOLS = {path.name: path for path in sorted((ROOT / "tools").glob("draw_*.py"))}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_drawn_page_is_as_the_code_would_draw_it(tool: str) -> None:
    drawing = runpy.run_path(str(TOOLS[tool]))
    assert drawing["TARGET"].parent == ROOT / "docs"
    assert drawing["TARGET"].read_text(encoding="utf-8") == drawing["page"](), "run `make docs`"


def test_every_drawing_tool_is_run_by_make_docs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [name for name in TOOLS if f"tools/{name}" not in makefile] == []


def test_the_life_cycle_the_settings_the_metrics_and_the_commands_are_drawn() -> None:
    names = {f"draw_{what}.py" for what in ("lifecycle", "configuration", "metrics", "commands")}
    assert names <= TOOLS.keys()
