"""Words of users and of tasks stay words: no shell, no option, no path comes out of them."""

import json
from pathlib import Path

import pytest

from hive_testkit.console import Console

HOSTILE = ("$(touch FILE)", "`touch FILE`", "; touch FILE", "| touch FILE", "--help", "-c", "*", "")


def test_words_of_a_command_reach_it_as_they_are(hive: Console, tmp_path: Path) -> None:
    words = [word.replace("FILE", str(tmp_path / "made")) for word in HOSTILE]
    done = hive("run", "--", "printf", "<%s>\n", *words)
    assert done.stdout == "".join(f"<{word}>\n" for word in words), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_program_whose_name_has_spaces_or_signs_is_a_name(hive: Console, tmp_path: Path) -> None:
    program = tmp_path / "a program; $(true)"
    program.write_text('#!/bin/sh\necho "$#"\n')
    program.chmod(0o700)
    assert hive("run", "--", str(program), "one two").stdout == "1\n"


@pytest.mark.parametrize("cwd", ["absent", "file", "pipe\0", "~root"])
def test_a_directory_that_is_none_starts_nothing(hive: Console, tmp_path: Path, cwd: str) -> None:
    (tmp_path / "file").touch()
    place = json.dumps({"argv": ["touch", str(tmp_path / "made")], "cwd": str(tmp_path / cwd)})
    done = hive("submit", "command", "--payload", place, "--wait")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "1/../2", "-1", "1;2"])
def test_the_number_of_a_task_is_no_path(hive: Console, name: str) -> None:
    for command in ("logs", "show"):
        done = hive(command, "--", name)
        assert done.returncode == 2
        assert "root:" not in done.stdout


@pytest.mark.parametrize("name", ["../../../tmp/out", "a\nb", "a/../../b", "with space", ".", ".."])
def test_the_name_of_a_group_leads_to_no_file(hive: Console, name: str) -> None:
    before = {path.name for path in hive.data_dir.iterdir()} | {"maps"}
    hive("map", "--group", name, "--", "echo", stdin=b"one\n")
    assert {path.name for path in hive.data_dir.iterdir()} <= before
    assert not (hive.data_dir / "maps" / name).resolve().is_file()


def test_a_purge_does_not_follow_a_link_out_of_the_directory(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("kept")
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    (data_dir / "up.lock").touch()
    for name in ("logs", "postgres", "maps"):
        (data_dir / name).symlink_to(precious)
    done = Console(data_dir)("down", "--purge", "--yes")
    assert (precious / "file").read_text() == "kept", done.stderr
