"""`hive export` and `hive import` as a person uses them."""

import gzip
import json
from collections.abc import Callable, Generator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from hive_testkit.desk import Desk
from hive_testkit.plugin import fresh_database


@pytest.fixture
def other(
    in_process: "Callable[..., CompletedProcess[str]]",
    postgres_server: str,
    postgres_template: str,
    redis_url: str,
    tmp_path: Path,
) -> Generator[Desk]:
    """The command line on another database."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield Desk(in_process, url, redis_url, tmp_path)


def test_tasks_go_from_one_hive_into_another(desk: Desk, other: Desk, tmp_path: Path) -> None:
    desk.submit(3)
    file = tmp_path / "tasks.jsonl"
    done = desk("export", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert "hive: wrote 3 tasks as of " in done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    done = other("import", str(file))
    assert (done.returncode, done.stderr) == (0, "hive: imported 3 tasks; they keep their ids\n")
    done = other("import", str(file))
    assert done.stderr == "hive: imported 3 tasks; 1 to 3 are now 4 to 6\n"
    done = other("import", str(file), "--map", str(tmp_path / "map"))
    assert (tmp_path / "map").read_text() == "1 7\n2 8\n3 9\n"
    done = other("import", str(file), "--json")
    assert json.loads(done.stdout) == {
        "imported": {
            **dict.fromkeys(("dependency", "attempt", "question", "spending", "output"), 0),
            "task": 3,
            "event": 1,
        },
        "ids": "new",
        "runs": [{"first": 1, "last": 3, "became": 10}],
        "queued_again": 0,
        "failed": 0,
        "cancelled": 0,
    }
    assert [tuple(row) for row in other.sql("select distinct what, target from hive.audit")] == [
        ("import", str(file))
    ]


def test_a_packed_file_and_a_pipe_hold_the_same(desk: Desk, other: Desk, tmp_path: Path) -> None:
    desk.submit(2, group="nightly")
    desk.submit(2)
    file = tmp_path / "tasks.jsonl.gz"
    desk("export", "--group", "nightly", str(file))
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["hive", "task", "task", "event", "end"]
    done = other("import", str(file))
    assert "imported 2 tasks" in done.stderr
    whole = desk.console("export")
    assert len(whole.stdout.splitlines()) == 8
    done = other.console("import", "-", stdin=whole.stdout.encode())
    assert "imported 4 tasks" in done.stderr


def test_ids_choose(desk: Desk) -> None:
    first, _, third = desk.submit(3)
    done = desk("export", "--ids", f"{first}, {third}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["row"]["id"] for row in rows if row["type"] == "task"] == [first, third]
    done = desk("export", "--ids", "1,2-4")
    assert done.returncode == 2
    assert "--ids: '2-4' is no task's id; write them like 7,8,12" in done.stderr


def test_a_file_is_replaced_only_if_that_is_said(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text("precious")
    assert f"{file} is there already" in desk("export", str(file)).stderr
    assert file.read_text() == "precious"
    assert desk("export", str(file), "--force").returncode == 0
    assert file.read_text() != "precious"


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("absent.jsonl", "there is no file"),
        ("cut.jsonl.gz", "cannot be unpacked"),
        ("cut.jsonl", "the file is cut off after line 2"),
        (".", "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_is_not_whole_is_told_and_nothing_is_imported(
    desk: Desk, other: Desk, tmp_path: Path, name: str, complaint: str
) -> None:
    desk.submit(2)
    desk("export", str(tmp_path / "whole.jsonl"))
    desk("export", str(tmp_path / "whole.jsonl.gz"))
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(lines[:2]))
    (tmp_path / "cut.jsonl.gz").write_bytes((tmp_path / "whole.jsonl.gz").read_bytes()[:-30])
    done = other("import", str(tmp_path / name))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert other.sql("select count(*) from hive.task")[0][0] == 0


def test_a_place_that_cannot_be_written_is_told_and_leaves_nothing(
    desk: Desk, tmp_path: Path
) -> None:
    done = desk("export", str(tmp_path / "absent" / "tasks.jsonl"))
    assert done.returncode == 2
    assert "cannot be written: No such file or directory; nothing of it is kept" in done.stderr
    assert not (tmp_path / "absent").exists()
