"""What is replaced by rename: files, and never what only has the name of one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hive.private_files import replace_private
from hive.settings import load
from hive_testkit.console import Console


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


@pytest.mark.parametrize("make", [pipe, link_to_a_pipe, Path.mkdir])
def test_what_is_no_file_stays_where_it_is(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "name"
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match=r"name is a .*, and no file"):
        replace_private(path, "text")
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)


def test_a_draft_that_is_in_the_way_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    (tmp_path / "name.new").symlink_to("other")
    replace_private(tmp_path / "name", "text")
    assert (tmp_path / "other").read_text() == "other"
    assert (tmp_path / "name").read_text() == "text"
    assert (tmp_path / "name").stat().st_mode & 0o777 == 0o600


def test_a_backup_replaces_no_pipe_though_it_is_forced(no_hive: Console, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = no_hive("backup", str(tmp_path / "pipe"), "--force")
    assert done.returncode == 2
    assert "pipe is a device, a pipe or a socket, and no file; choose another name" in done.stderr
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_with_a_password_that_others_may_read_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "join.toml"
    path.write_text('[database]\nurl = "postgresql://hive:secret@db/hive"\n')
    path.chmod(0o644)
    environment = {"HOME": str(tmp_path)}
    warning = f"others may read {path}, which holds a password: chmod 600 {path}"
    assert load(environment=environment, config=path).warnings == (warning,)
    path.chmod(0o600)
    assert load(environment=environment, config=path).warnings == ()
