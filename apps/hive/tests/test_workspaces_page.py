"""What docs/workspaces.md shows can be typed as it stands."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from hive_contracts.wire import decode_payload
from hive_process.payload import CommandPayload
from hive_testkit.console import Console

PAGE = (Path(__file__).parents[3] / "docs" / "workspaces.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\$ hive (.*)$", PAGE, re.MULTILINE)


def test_the_lines_of_the_page_do_what_it_says(hive: Console, tmp_path: Path) -> None:
    for words in ("init -q -b main", "config user.name A", "config user.email a@example.com"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".gitignore").write_text(".env\n")
    (tmp_path / ".env").write_text("")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "commit", "-q", "-m", "first"], cwd=tmp_path, check=True)
    known: dict[str, str] = {}
    assert len(LINES) == 6
    for line in LINES:
        words = [known.get(word, word) for word in shlex.split(line)]
        done = hive(*words, cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
        if words[0] == "run":
            known["7"] = str(json.loads(hive("list", "--json", "--limit", "1").stdout)[0]["id"])
        if words[0] == "reject":
            known["8"] = done.stdout.strip()
            assert hive("submit", "--wait", "--after", known["8"], "--", "true").returncode == 0
    assert (tmp_path / "notes.txt").read_text() == "a line\na line\n"


def test_the_payload_of_the_page_is_one() -> None:
    [text] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    payload = decode_payload("command", text, CommandPayload)
    assert payload.workspace is not None
    assert payload.workspace.most_bytes == 2 << 30
