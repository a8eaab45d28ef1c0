"""Tasks that come after others, as the command line says and shows them."""

import json
from pathlib import Path
from typing import Any

import pytest

from hive.submitting.lines import CHUNK_LINES
from hive_testkit.desk import Desk

GOOD: dict[str, Any] = {"kind": "command", "payload": {"argv": ["true"]}}
EDGES = (
    "select parent_id, child_id, if_parent_fails::text as wish from hive.dependency order by 2, 1"
)


def written(folder: Path, *tasks: object) -> str:
    path = folder / "tasks.jsonl"
    path.write_text("".join(f"{json.dumps(task)}\n" for task in tasks), encoding="utf-8")
    return str(path)


def edges(desk: Desk) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in desk.sql(EDGES)]


def test_what_a_task_comes_after_and_what_waits_for_it_is_shown(desk: Desk) -> None:
    one, two = [
        desk("submit", "command", "--payload", '{"argv": ["true"]}').stdout.strip()
        for _ in range(2)
    ]
    said = ["--after", f"{one},{two}", "--if-parent-fails", "run"]
    child = desk("submit", "command", "--payload", '{"argv": ["true"]}', *said).stdout.strip()
    assert edges(desk) == [(int(parent), int(child), "run") for parent in (one, two)]
    shown = desk("show", child).stdout
    assert "state     blocked" in shown
    assert f"task {child}, waiting for it" in desk("show", one).stdout
    plain = json.loads(desk("show", child, "--json").stdout)
    assert (plain["state"], plain["is_gated"], plain["waits_for_tasks"]) == ("blocked", True, 2)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--after", "x"], "--after is 'x'; write the ids of tasks, as in 12,13"),
        (["--after", "99"], "there is no task 99 to come after"),
        (["--if-parent-fails", "run"], "the task comes after no other"),
        (["--on-success", "{}"], "are for many tasks: add --jsonl"),
    ],
)
def test_what_cannot_be_meant_is_refused(desk: Desk, words: list[str], complaint: str) -> None:
    done = desk("submit", "command", "--payload", '{"argv": ["true"]}', *words)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_lines_name_lines_before_them_also_across_chunks(desk: Desk, tmp_path: Path) -> None:
    filler = [GOOD] * CHUNK_LINES
    path = written(
        tmp_path,
        {**GOOD, "name": "first"},
        {**GOOD, "name": "second", "after": ["first"]},
        *filler,
        {**GOOD, "after": ["first", "second"], "if_parent_fails": "run"},
    )
    done = desk("submit", "--jsonl", path, "--ids", "--if-parent-fails", "cancel")
    first, second, *_, last = map(int, done.stdout.split())
    assert edges(desk) == [(first, second, "cancel"), (first, last, "run"), (second, last, "run")]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (
            [{**GOOD, "after": ["b"]}, {**GOOD, "name": "b"}],
            "line 1: it comes after 'b', but no line before it has that name",
        ),
        (
            [{**GOOD, "name": "b", "after": ["b"]}],
            "line 1: tasks would wait for one another in a circle: 'b' after 'b'",
        ),
        (
            [
                {**GOOD, "name": "a", "after": ["c"]},
                {**GOOD, "name": "b", "after": ["a"]},
                {**GOOD, "name": "c", "after": ["b"]},
            ],
            "line 3: tasks would wait for one another in a circle: 'c' after 'b' after 'a' after",
        ),
        (
            [{**GOOD, "name": "b"}, {**GOOD, "name": "b"}],
            "line 2: the name 'b' is that of line 1 already",
        ),
        ([{**GOOD, "after": 12}], "after is 12; it must be a list of ids"),
        ([{**GOOD, "after": [1.5]}], "it holds 1.5"),
    ],
)
def test_a_line_that_comes_after_nothing_lets_nothing_in(
    desk: Desk, tmp_path: Path, lines: list[object], complaint: str
) -> None:
    done = desk("submit", "--jsonl", written(tmp_path, *lines))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert desk.sql("select count(*) as n from hive.task")[0]["n"] == 0


def test_tasks_for_the_end_of_a_group_come_after_all_of_it(desk: Desk, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, GOOD)
    follower = json.dumps(GOOD)
    words = ["--group", "g", "--on-success", follower, "--on-finished", follower]
    done = desk("submit", "--jsonl", path, *words)
    assert (done.returncode, done.stdout) == (0, "g\n")
    assert "task 3 and task 4 come after all of group g" in done.stderr
    assert edges(desk) == [
        (1, 3, "cancel"), (2, 3, "cancel"), (1, 4, "run"), (2, 4, "run"),
    ]  # fmt: skip
    for bad in ("{", '{"kind": "nobody"}', json.dumps({**GOOD, "after": [1]})):
        refused = desk("submit", "--jsonl", path, "--on-finished", bad)
        assert refused.returncode == 2
        assert "--on-finished" in refused.stderr


def test_a_group_shows_how_far_it_is(desk: Desk, tmp_path: Path) -> None:
    desk("submit", "--jsonl", written(tmp_path, GOOD, GOOD, GOOD), "--group", "g")
    shown = desk("group", "show", "g").stdout
    assert "group g: 0 of 3 tasks ended (0 %)" in shown
    assert "none has ended in the last minute" in shown
    desk("cancel", "1", "2")
    assert "1 queued, 2 cancelled" in desk("group", "show", "g").stdout
    found = json.loads(desk("group", "show", "g", "--json").stdout)
    assert (found["tasks"], found["ended"], found["states"]["cancelled"]) == (3, 2, 2)
    assert found["left_seconds"] > 0
    missing = desk("group", "show", "nobody")
    assert missing.returncode == 2
    assert "there is no group 'nobody'" in missing.stderr


def test_a_group_is_cancelled_with_what_it_has_not_released_yet(desk: Desk, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {**GOOD, "name": "first"},
        {**GOOD, "after": ["first"]},
        {**GOOD, "delay": "1h"},
        {**GOOD, "after": ["first"], "delay": "1h", "key": "k"},
    )
    desk("submit", "--jsonl", path, "--group", "g", "--on-finished", json.dumps(GOOD))
    assert desk("cancel", "--group", "g").returncode == 0
    rows = desk.sql("select state::text as state from hive.task")
    assert [row["state"] for row in rows] == ["cancelled"] * 5
