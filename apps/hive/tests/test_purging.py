"""What a purge does with workspaces, in the data directory or in one of their own."""

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hive.purging import estate_of, purge
from hive_contracts.errors import ServiceUnavailableError
from hive_contracts.ids import TaskId
from hive_process.workspaces.making import make
from hive_process.workspaces.programs import ChildPrograms
from hive_process.workspaces.spec import WorkspaceSpec
from hive_process.workspaces.yard import Yard
from hive_testkit.attempts import make_task
from hive_testkit.console import Console


def git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class Kept:
    data_dir: Path
    root: Path
    repo: Path
    yard: Yard

    def purge(self) -> None:
        estate = estate_of(self.data_dir)
        assert estate is not None
        purge(estate, workspaces=self.root)


@pytest.fixture(params=["data/ws", "elsewhere"])
def kept(tmp_path: Path, request: pytest.FixtureRequest) -> Kept:
    """A Hive that is down, with one workspace of a repository."""
    data_dir, repo, root = tmp_path / "data", tmp_path / "repo", tmp_path / str(request.param)
    data_dir.mkdir(mode=0o700)
    (data_dir / "up.lock").touch()
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    git(repo, *who, "commit", "-q", "--allow-empty", "-m", "first")
    yard = Yard(root, ChildPrograms())
    yard.prepare()
    spec = WorkspaceSpec(kind="repo", repo=str(repo))
    asyncio.run(make(yard, spec, make_task("command", {}), host="here"))
    assert git(repo, "branch", "--list", "hive/*") == "+ hive/1"
    return Kept(data_dir, root, repo, yard)


def test_worktrees_and_branches_go_wherever_the_workspaces_are(kept: Kept) -> None:
    kept.purge()
    assert git(kept.repo, "worktree", "list").count("\n") == 0
    assert git(kept.repo, "branch") == "* main"
    assert not kept.root.exists()
    assert not kept.data_dir.exists()


def test_the_command_line_asks_about_workspaces_elsewhere_and_clears_them(kept: Kept) -> None:
    hive = Console(kept.data_dir, {"HIVE_WORKSPACES_ROOT": str(kept.root)})
    asked = hive("down", "--purge")
    assert asked.returncode == 2
    is_elsewhere = kept.root.parent != kept.data_dir
    assert (f"and its workspaces in {kept.root}" in asked.stderr) is is_elsewhere
    done = hive("down", "--purge", "--yes")
    assert done.returncode == 0, done.stderr
    assert git(kept.repo, "branch") == "* main"
    assert not kept.root.exists()


def test_what_hive_has_not_made_beside_them_stays(kept: Kept) -> None:
    for name in ("2024", "notes"):
        (kept.root / name).mkdir()
    kept.purge()
    left = sorted(path.name for path in kept.root.iterdir()) if kept.root.exists() else []
    # All that is in the data directory's own is Hive's.
    assert left == ([] if kept.root.parent == kept.data_dir else ["2024", "notes"])


def test_without_git_they_go_all_the_same_and_what_stays_is_said(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kept.purge()
    said = capsys.readouterr().err
    assert f"hive: {kept.repo} keeps branch hive/1 and the worktree {kept.root}/1" in said
    assert not kept.root.exists()
    assert not kept.data_dir.exists()


def test_nothing_goes_while_somebody_works_in_one(kept: Kept) -> None:
    lock = kept.yard.lock(TaskId(1))
    assert lock is not None
    with pytest.raises(ServiceUnavailableError, match="somebody still works in"):
        kept.purge()
    lock.let_go()
    assert kept.yard.has(TaskId(1))
    assert (kept.data_dir / "up.lock").exists()
