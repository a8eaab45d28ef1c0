"""The programs of README.md and of pages in docs run as they stand, against one `hive up`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hive_testkit.console import LONGEST_SECONDS, Console

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
FLOWS = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = re.compile(
    r"```python\n# (?P<name>\w+\.py)\n(?P<source>.*?)```(?:\n\n```text\n(?P<output>.*?)```)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    source: str
    output: str | None


PAGES = (README, PAGE, FLOWS, EVENTS)
PROGRAMS = [Program(*found) for page in PAGES for found in PROGRAM.findall(page)]
SCRIPTS = [program for program in PROGRAMS if program.output]


@pytest.fixture(scope="module")
def folder() -> Generator[Path]:
    """A directory with the programs, and a Hive that was brought up as the page says."""
    with TemporaryDirectory(prefix="hive-test-") as name:
        folder = Path(name)
        for program in PROGRAMS:
            (folder / program.name).write_text(f"# {program.name}\n{program.source}")
        console = Console(folder / "data")
        [line] = re.findall(r"^\$ hive (up .*)$", PAGE, re.MULTILINE)
        [also] = re.findall(r"^\$ hive up -d (--allow .*)$", FLOWS, re.MULTILINE)
        try:
            up = console(*line.split(), *also.split(), cwd=folder)
            assert up.returncode == 0, up.stderr
            yield folder
        finally:
            console("down", "--now")


def run(program: Program, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name[:5] != "HIVE_"}
    environment["HIVE_DATA_DIR"] = str(folder / "data")
    if "HIVE_DATABASE_URL" in program.source:
        up = json.loads((folder / "data" / "up.json").read_text())
        environment["HIVE_DATABASE_URL"] = up["database_url"]
    return subprocess.run(
        [sys.executable, program.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def test_every_program_is_found_and_two_pages_have_the_same_module() -> None:
    assert "".join(PAGES).count("```python") == len(PROGRAMS)
    module, same, flow = [program for program in PROGRAMS if not program.output]
    assert module == same
    assert (module.name, flow.name) == ("my_module.py", "my_flow.py")


def test_every_program_prints_what_its_page_says(folder: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        done = threads.map(run, SCRIPTS, [folder] * len(SCRIPTS))
    said = [(end.args[-1], end.stdout, end.stderr) for end in done]
    assert said == [(program.name, program.output, "") for program in SCRIPTS]
