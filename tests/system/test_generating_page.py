"""The commands and the program of docs/generating.md run as they stand."""

import re
import shlex
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from folders import bert_folder, plain_folder

from hive_testkit.console import LONGEST_SECONDS, Console

PAGE = (Path(__file__).parents[2] / "docs" / "generating.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ hive (.*)$", PAGE, re.MULTILINE)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def console() -> Generator[Console]:
    """A console in a folder that has the models of the page, with random weights."""
    with TemporaryDirectory(prefix="hive-test-") as name:
        folder = Path(name)
        plain_folder(folder / "models" / "poet")
        bert_folder(folder / "models" / "minilm")
        console = Console(folder / "data", {"HIVE_INFERENCE_CACHE": str(folder / "cache")})
        try:
            yield console
        finally:
            console("down", "--now")


def test_what_the_page_says_works(console: Console) -> None:
    assert len(COMMANDS) == 8
    folder = console.data_dir.parent
    for command in COMMANDS:
        done = console(*shlex.split(command), cwd=folder)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout.strip(), command
    [(source, output)] = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    (folder / "texts.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "texts.py"],
        cwd=folder,
        env=console.environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr) == (output, "")
