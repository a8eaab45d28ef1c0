"""The examples of the README do what it says."""

import re
import subprocess
import sys
from pathlib import Path

from folders import bert_folder, plain_folder

README = Path(__file__).parents[1] / "README.md"


def run(name: str, folder: Path) -> str:
    example = re.search(rf"```python\n# {name}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert example is not None
    (folder / name).write_text(example.group(1), "utf-8")
    ran = subprocess.run(
        [sys.executable, name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_three_texts_are_told_to_their_ends(tmp_path: Path):
    plain_folder(tmp_path / "models" / "poet")
    assert run("tell.py", tmp_path).splitlines() == ["40 tokens, length"] * 3


def test_a_text_has_a_cosine_with_each_of_the_others(tmp_path: Path):
    bert_folder(tmp_path / "models" / "minilm")
    cosines = run("near.py", tmp_path).strip("[]\n").split(", ")
    assert len(cosines) == 2
    assert all(-1 <= float(cosine) <= 1 for cosine in cosines)
