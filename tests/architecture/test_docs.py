"""Pages that are drawn from code say what the code says."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAGES = {
    "task-lifecycle.md": "draw_lifecycle.py",
    "configuration.md": "draw_configuration.py",
    "metrics.md": "draw_metrics.py",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_drawn_page_is_as_the_code_would_draw_it(page: str) -> None:
    drawn = runpy.run_path(str(ROOT / "tools" / PAGES[page]))["page"]()
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == drawn, "run `make docs`"


def test_every_drawing_tool_has_its_page_and_is_run_by_make_docs() -> None:
    tools = {path.name for path in (ROOT / "tools").glob("draw_*.py")}
    assert tools == set(PAGES.values())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"tools/{tool}" in makefile for tool in tools)
