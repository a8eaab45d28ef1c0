"""Workspaces as people use them: a repository, a worker, and the command line."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hive.command_options import CommandFlags
from hive.submitting.workspaces import Room, key_of_directory, room_of, split_ref
from hive_contracts.errors import ConfigurationError
from hive_testkit.console import Console
from hive_testkit.waiting import until


def git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "config", "user.name", "A")
    git(repo, "config", "user.email", "a@example.com")
    (repo / "a.txt").write_text("one\n")
    (repo / ".env").write_text("KEY=1\n")
    (repo / ".gitignore").write_text(".env\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "first")
    return repo


def last_task(hive: Console) -> str:
    return str(json.loads(hive("list", "--json", "--limit", "1").stdout)[0]["id"])


def workspaces(hive: Console) -> dict[int, dict[str, Any]]:
    return {each["id"]: each for each in json.loads(hive("ws", "list", "--all", "--json").stdout)}


def test_work_is_looked_at_sent_back_and_taken_over(hive: Console, repo: Path) -> None:
    script = 'echo ${HIVE_COMMENT:-two} >> a.txt; test -e .env; echo new > "b c.txt"'
    done = hive("run", "-v", "--repo", ".", "--copy", ".env", "--", "sh", "-ec", script, cwd=repo)
    assert done.returncode == 0, done.stderr
    task = last_task(hive)
    assert f"it has changed 2 files; review: hive diff {task} | hive accept" in done.stderr
    assert f"{task} review succeeded" in " ".join(hive("ws", "list").stdout.split())

    shown = hive("diff", task)
    assert "+two" in shown.stdout
    assert "b c.txt" in hive("diff", task, "--stat").stdout
    told = json.loads(hive("diff", task, "--json").stdout)
    assert {each["file"]: each["added"] for each in told["files"]} == {"a.txt": 1, "b c.txt": 1}

    hive("queue", "pause", "default")
    again = hive("reject", task, "-m", "and three").stdout.strip()
    refused = hive("accept", task)
    hive("queue", "resume", "default")
    assert refused.returncode == 2
    assert "it was rejected (and three)" in refused.stderr
    assert hive("submit", "--wait", "--after", again, "--", "true").returncode == 0
    assert "+two\n+and three" in hive("diff", again).stdout

    accepted = hive("accept", again, "--squash", "-m", "Taken over")
    assert accepted.returncode == 0, accepted.stderr
    assert (repo / "a.txt").read_text() == "one\ntwo\nand three\n"
    assert git(repo, "log", "--format=%s") == "Taken over\nfirst"
    assert git(repo, "branch") == "* main"
    assert workspaces(hive)[int(task)]["state"] == "accepted"
    refused = hive("diff", again)
    assert refused.returncode == 2
    assert f"the workspace of task {again} is accepted" in refused.stderr
    deeds = [deed["what"] for deed in json.loads(hive("audit", "--json").stdout)]
    assert [deed for deed in deeds if deed not in ("pause", "resume")][:2] == [
        "accept",
        "reject",
    ]


def test_a_conflict_exits_with_2_names_the_files_and_touches_nothing(
    hive: Console, repo: Path
) -> None:
    done = hive("run", "--repo", str(repo), "--", "sh", "-c", "echo theirs > a.txt")
    task = last_task(hive)
    told = f"hive: it has changed 1 file; review: hive diff {task} | hive accept {task} |"
    assert done.stderr.startswith(told)
    (repo / "a.txt").write_text("mine\n")
    git(repo, "commit", "-q", "-am", "mine")
    refused = hive("accept", task)
    assert refused.returncode == 2
    assert "\n  a.txt\n" in refused.stderr
    assert (repo / "a.txt").read_text() == "mine\n"
    cleaned = hive("ws", "clean", task, "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert git(repo, "worktree", "list").count("\n") == 0


def test_a_repository_that_is_gone_is_told_and_its_workspace_cleaned(
    hive: Console, repo: Path
) -> None:
    hive("run", "--repo", str(repo), "--", "sh", "-c", "echo theirs > a.txt")
    task = last_task(hive)
    place = Path(hive("ws", "open", task).stdout.strip())
    shutil.rmtree(repo)
    for verb in ("diff", "accept"):
        refused = hive(verb, task)
        assert refused.returncode == 2
        assert f"{place} is no worktree any more" in refused.stderr
        assert "its repository was moved or deleted. Put it back" in refused.stderr
    assert (place / "a.txt").read_text() == "theirs\n"
    cleaned = hive("ws", "clean", task, "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert not place.exists()


async def test_what_is_rejected_while_it_is_accepted_keeps_its_workspace(
    hive: Console, repo: Path, tmp_path: Path
) -> None:
    hive("run", "--repo", str(repo), "--", "sh", "-c", "echo two >> a.txt")
    task = last_task(hive)
    tools = tmp_path / "tools"
    tools.mkdir()
    halting = tools / "git"
    halting.write_text(
        f'#!/bin/sh\ncase "$*" in *merge-base*) touch {tmp_path}/at; while ! test -e {tmp_path}/go;'
        f' do sleep 0.05; done;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    halting.chmod(0o755)
    slow = replace(hive, extra={**hive.extra, "PATH": f"{tools}:{os.environ['PATH']}"})
    accepting = slow.start("accept", task, stderr=subprocess.PIPE)
    try:
        await until((tmp_path / "at").exists, within_seconds=60)
        assert "somebody else has the workspace of task" in hive("accept", task).stderr
        hive("queue", "pause", "default")
        follower = hive("reject", task, "-m", "and three").stdout.strip()
    finally:
        (tmp_path / "go").touch()
        _, told = accepting.communicate(timeout=60)
    hive("queue", "resume", "default")
    assert f"somebody has rejected task {task}" in told.decode()
    assert git(repo, "show", "main:a.txt") == "one\ntwo"
    assert hive("submit", "--wait", "--after", follower, "--", "true").returncode == 0
    assert "+two\n+two" in hive("diff", follower).stdout


def test_what_a_failure_left_is_opened_and_cleaned(hive: Console) -> None:
    done = hive("run", "-v", "--workspace", "fresh", "--", "sh", "-c", "echo x > left; exit 3")
    assert done.returncode == 3
    task = last_task(hive)
    assert f"its workspace is kept: hive ws open {task}" in done.stderr
    place = Path(hive("ws", "open", task).stdout.strip())
    assert (place / "left").read_text() == "x\n"
    assert "of no repository" in hive("diff", task).stderr
    assert "of no repository" in hive("accept", task).stderr
    asked = hive("ws", "clean", task)
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    hive("ws", "clean", "--older-than", "0s", "--yes")
    assert not place.exists()
    assert workspaces(hive)[int(task)]["state"] == "removed"
    assert "is removed: it was cleaned up" in hive("ws", "open", task).stderr


def test_a_map_gives_each_line_a_workspace(hive: Console, repo: Path) -> None:
    words = ("map", "--repo", ".", "--keep", "always", "--", "sh", "-c", "echo {} > c; pwd")
    done = hive(*words, stdin=b"x\ny\nz\n", cwd=repo)
    assert done.returncode == 0, done.stderr
    places = {Path(line) for line in done.stdout.splitlines()}
    assert {(place / "c").read_text() for place in places} == {"x\n", "y\n", "z\n"}
    assert len(git(repo, "worktree", "list").splitlines()) == 4
    tasks = [place.name for place in places]
    assert hive("ws", "clean", *tasks, "--yes").returncode == 0
    assert len(git(repo, "worktree", "list").splitlines()) == 1


def test_a_given_directory_has_one_task_at_a_time(hive: Console, tmp_path: Path) -> None:
    script = "mkdir busy && sleep 0.2 && rmdir busy"
    words = ("map", "--workspace", "dir", "--", "sh", "-c", f"{script} # {{}}")
    done = hive(*words, stdin=b"1\n2\n3\n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_task_goes_on_in_the_workspace_of_the_one_before(hive: Console) -> None:
    first = hive("submit", "--workspace", "fresh", "--keep", "always", "--", "touch", "x")
    task = first.stdout.strip()
    done = hive("run", "--workspace", "same", "--after", task, "--", "ls")
    assert done.stdout == "x\n"


async def test_what_a_killed_worker_was_at_begins_anew_and_leaves_nothing(
    hive: Console, repo: Path, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    script = (
        f'echo $PPID >> {starts}; echo x >> a.txt; test "$(wc -l < {starts})" -gt 1 || sleep 600'
    )
    submitted = hive("submit", "--repo", str(repo), "--", "sh", "-c", script)
    task = submitted.stdout.strip()
    await until(starts.exists, within_seconds=60)
    worker = json.loads(hive("show", task, "--json").stdout)["worker_pid"]
    os.kill(worker, signal.SIGKILL)
    assert hive("submit", "--wait", "--after", task, "--", "true").returncode == 0
    # The second attempt saw nothing of the first.
    assert hive("diff", task).stdout.count("+x") == 1
    assert hive("accept", task).returncode == 0
    assert git(repo, "worktree", "list").count("\n") == 0
    making = Path(workspaces(hive)[int(task)]["path"]).parent / ".making"
    assert not list(making.iterdir())


def test_what_is_left_on_another_machine_is_told_and_cleaned_by_it(
    hive: Console, tmp_path: Path
) -> None:
    assert hive("ws", "open", "999999").returncode == 2
    submitted = hive("submit", "--wait", "--", "true")
    task = last_task(hive)
    assert submitted.returncode == 0
    none = hive("diff", task, cwd=tmp_path)
    assert f"task {task} has no workspace" in none.stderr


def room(cwd: str | None = None, **options: Any) -> Room:
    return room_of(CommandFlags(cwd=cwd, **options))


def test_options_say_a_workspace(tmp_path: Path) -> None:
    here = str(Path.cwd())
    assert room() == Room(None, here, None)
    assert room("sub", repo=here) == Room({"kind": "repo", "repo": here}, "sub", None)
    assert room(workspace="repo").workspace == {"kind": "repo", "repo": here}
    assert room(workspace="same:7").workspace == {"kind": "same", "of": 7}
    assert room(str(tmp_path), workspace="dir") == Room(
        {"kind": "dir", "path": str(tmp_path)}, None, key_of_directory(str(tmp_path))
    )
    full = room(
        workspace="fresh", setup=["a"], teardown=["b"], copy=["c"], cache=["d"], keep="never",
        in_place=True, disk="2G",
    )  # fmt: skip
    assert full.workspace == {
        "kind": "fresh",
        "setup": ["a"],
        "teardown": ["b"],
        "copy": [f"{here}/c"],
        "cache": [f"{here}/d"],
        "keep": "never",
        "in_place": True,
        "max_bytes": "2G",
    }


@pytest.mark.parametrize(
    ("options", "cwd", "told"),
    [
        ({"setup": ["x"]}, None, "are for a workspace"),
        ({"workspace": "old"}, None, "--workspace is 'old'"),
        ({"workspace": "fresh", "repo": "."}, None, "leave out --workspace fresh"),
        ({"workspace": "fresh"}, "/tmp", "in a workspace it is a path from its top"),
        ({"workspace": "same:x"}, None, "'x' is no id of a task"),
    ],
)
def test_options_that_contradict_one_another_are_refused(
    options: dict[str, Any], cwd: str | None, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        room(cwd, **options)


def test_a_repository_is_told_from_what_to_begin_with(tmp_path: Path) -> None:
    odd = tmp_path / "a@b"
    odd.mkdir()
    for text, repo, ref in (
        (str(odd), str(odd), None),
        (f"{odd}@main", str(odd), "main"),
        (f"{tmp_path}@side/branch", str(tmp_path), "side/branch"),
        ("https://me@example.com/x.git", "https://me@example.com/x.git", None),
        ("https://me@example.com/x.git@v1", "https://me@example.com/x.git", "v1"),
        ("git@example.com:x/y.git", "git@example.com:x/y.git", None),
        ("git@example.com:x/y.git@main", "git@example.com:x/y.git", "main"),
    ):
        assert split_ref(text) == (repo, ref)


def test_what_is_purged_takes_its_worktrees_along(repo: Path, tmp_path: Path) -> None:
    hive = Console(tmp_path / "hive")
    hive.data_dir.mkdir()
    try:
        assert hive("up", "-d").returncode == 0
        hive("run", "--repo", str(repo), "--", "touch", "x")
        assert git(repo, "worktree", "list").count("\n") == 1
    finally:
        purged = hive("down", "--purge", "--yes")
    assert purged.returncode == 0, purged.stderr
    assert git(repo, "worktree", "list").count("\n") == 0
    shutil.rmtree(tmp_path / "hive", ignore_errors=True)
