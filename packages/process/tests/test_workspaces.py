"""Workspaces of commands: real programs and real git, and a ledger that only writes down."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hive_contracts.errors import RefusedWorkspaceError, StaleLeaseError
from hive_contracts.execution import Stream, Tools
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import Failed, Outcome, Parked, Released, Succeeded
from hive_contracts.states import TaskState
from hive_contracts.workspaces import Workspace, WorkspaceState
from hive_process.command import CommandExecutor, CommandPayload, CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_process.workspaces.accepting import Way, accept
from hive_process.workspaces.locks import Lock
from hive_process.workspaces.lodging import Lodgings
from hive_process.workspaces.programs import ChildPrograms
from hive_process.workspaces.quota import size_in_words, size_of
from hive_process.workspaces.spec import WorkspaceSettings, WorkspaceSpec
from hive_process.workspaces.sweeping import sweep_workspaces
from hive_process.workspaces.yard import About, Yard
from hive_testkit.attempts import RecordingAttempt, make_task
from hive_testkit.waiting import until

HOST = socket.gethostname()


@dataclass
class Row:
    workspace: Workspace
    task_state: TaskState | None = TaskState.SUCCEEDED
    age_seconds: float = 0.0


@dataclass
class WrittenLedger:
    """What Postgres would know: `packages/store/tests/test_workspaces.py` has the real one."""

    rows: dict[TaskId, Row] = field(default_factory=dict[TaskId, Row])
    states: list[WorkspaceState] = field(default_factory=list[WorkspaceState])
    holds: bool = True
    parents: list[TaskId] = field(default_factory=list[TaskId])
    after_listing: Callable[[], Awaitable[object]] | None = None
    """What others do between the moment that a sweep lists the rows and its next step."""

    async def note(self, task: Task, workspace: Workspace) -> bool:
        await asyncio.sleep(0)
        if self.holds:
            self.rows[workspace.id] = Row(workspace)
            self.states.append(workspace.state)
        return self.holds

    async def find(self, task_id: TaskId) -> Workspace | None:
        await asyncio.sleep(0)
        found = self.rows.get(task_id)
        return None if found is None else found.workspace

    async def of_parents(self, task_id: TaskId) -> Sequence[Workspace]:
        await asyncio.sleep(0)
        return [self.rows[parent].workspace for parent in self.parents]

    async def list(self, *, host: str | None = None) -> list[Row]:
        await asyncio.sleep(0)
        rows = [replace(row) for row in self.rows.values() if host in (None, row.workspace.host)]
        if self.after_listing is not None:
            await self.after_listing()
        return rows

    async def settle(
        self, workspace: Workspace, state: WorkspaceState, *, reason: str | None = None
    ) -> bool:
        await asyncio.sleep(0)
        row = self.rows[workspace.id]
        row.workspace = replace(row.workspace, state=state, reason=reason)
        return True

    async def forget(self) -> int:
        await asyncio.sleep(0)
        return 0


class Place:
    """A worker's executor, with workspaces in a directory of the test's own."""

    def __init__(self, executor: CommandExecutor, ledger: WrittenLedger, yard: Yard) -> None:
        self.executor = executor
        self.ledger = ledger
        self.yard = yard
        self.settings = WorkspaceSettings(root=yard.root)
        self.lodgings = Lodgings(yard, ledger, replace(self.settings, min_free="0"))

    async def run(
        self,
        script: str,
        *,
        task_id: int = 1,
        attempt: int = 1,
        max_attempts: int = 1,
        cwd: str | None = None,
        **said: Any,
    ) -> tuple[Outcome, RecordingAttempt]:
        payload = {
            "argv": [script],
            "shell": True,
            "workspace": said,
            "cwd": cwd,
            "park_codes": [75],
        }
        task = make_task(
            "command",
            payload,
            task_id=task_id,
            attempt=attempt,
            failures=attempt - 1,
            max_attempts=max_attempts,
        )
        running = RecordingAttempt(task)
        return await self.executor.run(running), running

    def state(self, task_id: int = 1) -> WorkspaceState:
        return self.ledger.rows[TaskId(task_id)].workspace.state

    def place(self, task_id: int = 1) -> Path:
        return self.yard.place(TaskId(task_id))

    def about(self, task_id: int = 1) -> About:
        about = self.yard.read(TaskId(task_id))
        assert about is not None
        return about

    async def sweep(self) -> int:
        return await sweep_workspaces(self.yard, self.ledger, self.settings)


@pytest.fixture
async def at(spawner: GuardedSpawner, tmp_path: Path) -> AsyncGenerator[Place]:
    ledger = WrittenLedger()
    settings = WorkspaceSettings(root=tmp_path / "ws", min_free="0")
    tools = Tools(
        spawner=spawner,
        settings=(settings, CommandSettings(grace_seconds=0.3)),
        workspaces=ledger,
    )
    yard = Yard(tmp_path / "ws", ChildPrograms())
    async with CommandExecutor.open(tools) as executor:
        yield Place(executor, ledger, yard)


def git(place: Path, *words: str) -> str:
    env = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        **{f"GIT_{who}_NAME": "A" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "a@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", *words], cwd=place, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    git(repo, "config", "user.name", "A")
    git(repo, "config", "user.email", "a@example.com")
    (repo / "a.txt").write_text("one\n")
    (repo / ".gitignore").write_text("ignored\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "first")
    return repo


def result_of(outcome: Outcome) -> Any:
    assert isinstance(outcome, Succeeded | Failed), outcome
    return outcome.result


async def test_a_fresh_one_is_empty_and_gone_after_a_success(at: Place) -> None:
    outcome, attempt = await at.run("ls -A; pwd; touch x", kind="fresh")
    assert attempt.output() == f"{at.place()}\n".encode()
    assert result_of(outcome)["workspace"] == {"state": "removed", "path": str(at.place())}
    assert at.ledger.states == [WorkspaceState.IN_USE, WorkspaceState.REMOVED]
    left = {path.name for path in at.yard.root.rglob("*")}
    assert left == {".about", ".making", ".going", ".repos", ".locks"}


async def test_what_a_failure_leaves_is_kept_and_says_why(at: Place) -> None:
    await at.run("echo half > half; exit 3", kind="fresh")
    assert (at.place() / "half").read_text() == "half\n"
    kept = at.ledger.rows[TaskId(1)].workspace
    assert (kept.state, kept.reason, kept.host) == (WorkspaceState.KEPT, "exit code 3", HOST)


@pytest.mark.parametrize(
    ("keep", "script", "is_kept"),
    [("always", "true", True), ("never", "exit 3", False), ("auto", "true", False)],
)
async def test_it_is_kept_as_the_task_says(
    at: Place, keep: str, script: str, *, is_kept: bool
) -> None:
    await at.run(script, kind="fresh", keep=keep)
    assert at.place().exists() is is_kept


async def test_a_command_is_told_where_it_is_and_what_it_is_for(at: Place) -> None:
    script = "cat $HIVE_TASK_FILE; echo; echo $HIVE_WORKSPACE $HIVE_SLOT $HIVE_PORT $HIVE_COMMENT"
    _, attempt = await at.run(script, kind="fresh", comment="again, please")
    told, said = attempt.output().decode().splitlines()
    assert said == f"{at.place()} 0 20000 again, please"
    assert '"task_id":1' in told
    assert '"comment":"again, please"' in told
    assert script in told.replace("\\", "")


async def test_those_that_run_together_have_ports_of_their_own(at: Place) -> None:
    async def port(task_id: int) -> bytes:
        _, attempt = await at.run(
            "echo $HIVE_PORT; touch ../here$HIVE_TASK_ID;"
            " until [ -e ../here1 ] && [ -e ../here2 ]; do sleep 0.01; done",
            task_id=task_id,
            kind="fresh",
        )
        return attempt.output()

    async with asyncio.TaskGroup() as group:
        both = [group.create_task(port(task_id)) for task_id in (1, 2)]
    assert {task.result() for task in both} == {b"20000\n", b"20010\n"}


async def test_a_directory_is_given_to_one_task_at_a_time(at: Place, tmp_path: Path) -> None:
    place = tmp_path / "given"
    place.mkdir()

    async def hold() -> None:
        payload = {"argv": ["touch in; sleep 60"], "shell": True}
        task = make_task("command", {**payload, "workspace": {"kind": "dir", "path": str(place)}})
        await at.executor.run(RecordingAttempt(task))

    async with asyncio.TaskGroup() as group:
        holding = group.create_task(hold())
        await until((place / "in").exists)
        outcome, _ = await at.run("true", task_id=2, kind="dir", path=f"{place}/.")
        holding.cancel()
    assert isinstance(outcome, Released)
    assert outcome.reason == f"another task works in {place}"
    assert outcome.again_after is not None
    outcome, _ = await at.run("cat in", task_id=2, kind="dir", path=str(place))
    assert isinstance(outcome, Succeeded)
    assert (place / "in").exists()
    assert not at.ledger.rows


async def test_a_repository_gives_a_branch_of_its_own_outside_of_it(at: Place, repo: Path) -> None:
    script = "git branch --show-current; echo two >> a.txt; echo new > b.txt; touch ignored"
    outcome, attempt = await at.run(script, kind="repo", repo=str(repo))
    assert attempt.output() == b"hive/1\n"
    assert result_of(outcome)["workspace"] == {
        "state": "review",
        "path": str(at.place()),
        "branch": "hive/1",
        "files_changed": 2,
    }
    workspace = at.ledger.rows[TaskId(1)].workspace
    assert (workspace.repository, workspace.base_branch) == (str(repo), "main")
    assert workspace.base_commit == git(repo, "rev-parse", "main")
    assert git(repo, "status", "--porcelain") == ""
    # Nobody's `git worktree prune` takes it away.
    git(repo, "worktree", "prune", "--expire", "now")
    assert str(at.place()) in git(repo, "worktree", "list")


async def test_a_repository_that_was_not_changed_leaves_nothing(at: Place, repo: Path) -> None:
    outcome, _ = await at.run("touch ignored", kind="repo", repo=str(repo))
    assert result_of(outcome)["workspace"]["state"] == "removed"
    assert git(repo, "worktree", "list").count("\n") == 0
    assert git(repo, "branch") == "* main"


async def test_it_may_begin_with_any_branch_tag_or_commit(at: Place, repo: Path) -> None:
    git(repo, "tag", "old")
    (repo / "a.txt").write_text("two\n")
    git(repo, "commit", "-q", "-am", "second")
    git(repo, "branch", "side/branch", "old")
    for number, (ref, branch, text) in enumerate(
        [
            ("old", None, b"one\n"),
            ("side/branch", "side/branch", b"one\n"),
            (None, "main", b"two\n"),
        ],
        start=1,
    ):
        said: dict[str, Any] = {} if ref is None else {"ref": ref}
        script = "cat a.txt; touch changed"
        _, attempt = await at.run(script, task_id=number, kind="repo", repo=str(repo), **said)
        assert attempt.output() == text
        assert at.ledger.rows[TaskId(number)].workspace.base_branch == branch
    outcome, _ = await at.run("true", task_id=9, kind="repo", repo=str(repo), ref="nowhere")
    assert isinstance(outcome, Failed)
    assert "has no branch, tag or commit 'nowhere'" in outcome.error


async def test_a_branch_with_commits_is_never_used_again(at: Place, repo: Path) -> None:
    commit = "git -c user.name=A -c user.email=a@b commit -q --allow-empty -m work"
    await at.run(f"{commit}; exit 1", kind="repo", repo=str(repo))
    first = git(repo, "rev-parse", "hive/1")
    _, attempt = await at.run(
        "git branch --show-current; exit 1", attempt=2, kind="repo", repo=str(repo)
    )
    assert attempt.output() == b"hive/1-2\n"
    assert git(repo, "rev-parse", "hive/1") == first


async def test_files_are_copied_in_and_are_no_change(at: Place, repo: Path, tmp_path: Path) -> None:
    (repo / ".env").write_text("PORT=1\n")
    (repo / "deep" / "er").mkdir(parents=True)
    (repo / "deep" / "er" / "x").write_text("x")
    (tmp_path / "outside").write_text("o")
    copy = [".env", "deep/er", str(tmp_path / "outside")]
    outcome, attempt = await at.run(
        "cat .env deep/er/x outside", kind="repo", repo=str(repo), copy=copy
    )
    assert attempt.output() == b"PORT=1\nxo"
    assert result_of(outcome)["workspace"]["files_changed"] == 0
    outcome, _ = await at.run("true", task_id=2, kind="repo", repo=str(repo), copy=["no.env"])
    assert isinstance(outcome, Failed)
    assert outcome.error == f"{repo / 'no.env'} cannot be copied in: No such file or directory"
    assert not at.place(2).exists()


async def test_of_a_cache_only_what_nobody_may_write_is_shared(
    at: Place, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = repo / "store"
    store.mkdir()
    for name, mode in (("sealed", 0o444), ("open", 0o644)):
        (store / name).write_text(name)
        (store / name).chmod(mode)
    (store / "link").symlink_to("sealed")
    # As another user than root, whom no mode keeps from writing.
    monkeypatch.setattr("hive_process.workspaces.caches.os.geteuid", lambda: 1000)
    cache = ["store", "cold"]
    script = "echo changed > store/open; rm store/sealed; echo other > store/sealed; exit 1"
    await at.run(f"ls -i store/sealed; {script}", kind="repo", repo=str(repo), cache=cache)
    assert (store / "sealed").read_text() == "sealed"
    assert (store / "open").read_text() == "open"
    outcome, attempt = await at.run(
        "stat -c %h store/sealed store/open; readlink store/link; ls",
        task_id=2, kind="repo", repo=str(repo), cache=cache,
    )  # fmt: skip
    assert attempt.output().decode().splitlines()[:3] == ["2", "1", "sealed"]
    assert "cold" not in attempt.output().decode()
    assert result_of(outcome)["workspace"]["files_changed"] == 0
    assert not at.place(2).exists()
    assert (store / "sealed").stat().st_mode & 0o777 == 0o444
    monkeypatch.undo()
    monkeypatch.setattr("hive_process.workspaces.caches.os.geteuid", lambda: 0)
    _, attempt = await at.run(
        "stat -c %h store/sealed", task_id=3, kind="repo", repo=str(repo), cache=cache
    )
    assert attempt.output() == b"1\n"


async def test_setup_and_teardown_run_around_it(at: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    said: dict[str, Any] = {"setup": ["echo setup; touch made"], "teardown": [f"echo down > {log}"]}
    outcome, attempt = await at.run("echo run; ls", kind="fresh", **said)
    assert attempt.output() == b"setup\nrun\nmade\n"
    assert log.read_text() == "down\n"
    assert isinstance(outcome, Succeeded)
    log.unlink()
    outcome, attempt = await at.run(
        "echo run", task_id=2, kind="fresh", setup=["echo no; exit 4"], teardown=[f"touch {log}"]
    )
    assert isinstance(outcome, Failed)
    assert outcome.error == "setup 'echo no; exit 4': exit code 4"
    assert attempt.output() == b"no\n"
    assert log.exists()


async def test_output_is_capped_once_also_where_a_setup_prints(at: Place) -> None:
    said = {"kind": "fresh", "setup": ["echo setup"], "teardown": ["echo down"]}
    payload = {"argv": ["echo", "run"], "output_cap": "4K", "workspace": said}
    attempt = RecordingAttempt.of("command", payload)
    assert isinstance(await at.executor.run(attempt), Succeeded)
    assert attempt.output() == b"setup\nrun\ndown\n"
    assert attempt.output_cap_bytes == 4096


async def test_a_teardown_that_is_called_off_is_not_begun_again(at: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    said = {"kind": "fresh", "teardown": [f"echo down >> {log}; echo down; sleep 60"]}
    attempt = RecordingAttempt.of("command", {"argv": ["true"], "workspace": said})
    async with asyncio.TaskGroup() as group:
        running = group.create_task(at.executor.run(attempt))
        await attempt.output_containing(b"down")
        running.cancel()
    assert log.read_text() == "down\n"
    assert at.ledger.rows[TaskId(1)].workspace.reason == "its attempt was called off"
    lock = at.yard.lock(TaskId(1))
    assert lock is not None
    lock.let_go()


async def test_the_next_attempt_begins_anew_unless_it_is_to_go_on(at: Place) -> None:
    await at.run("touch first; exit 1", kind="fresh")
    _, attempt = await at.run("ls; touch second; exit 1", attempt=2, kind="fresh", in_place=True)
    assert attempt.output() == b""
    said: dict[str, Any] = {"in_place": True, "setup": ["touch set-up-again"]}
    _, attempt = await at.run("ls; exit 1", attempt=3, kind="fresh", **said)
    assert attempt.output() == b"second\n"


async def test_what_asked_to_be_set_aside_goes_on_where_it_was(at: Place) -> None:
    outcome, _ = await at.run("touch asked; exit 75", kind="fresh")
    assert isinstance(outcome, Parked)
    assert at.state() is WorkspaceState.KEPT
    payload = {"argv": ["ls"], "workspace": {"kind": "fresh"}}
    attempt = RecordingAttempt(make_task("command", payload, given_back=1))
    await at.executor.run(attempt)
    assert attempt.output() == b"asked\n"


async def test_a_workspace_on_another_machine_is_waited_for(at: Place) -> None:
    await at.run("exit 1", kind="fresh", in_place=True)
    row = at.ledger.rows[TaskId(1)]
    row.workspace = replace(row.workspace, host="elsewhere")
    cases: list[dict[str, Any]] = [
        {"kind": "fresh", "in_place": True},
        {"kind": "same", "of": 1},
    ]
    for said in cases:
        outcome, attempt = await at.run("true", attempt=2, **said)
        assert isinstance(outcome, Released)
        assert "is on elsewhere, in" in outcome.reason
        assert not attempt.chunks


async def test_a_task_may_go_on_in_the_workspace_of_another(at: Place, repo: Path) -> None:
    await at.run("echo two >> a.txt", kind="repo", repo=str(repo))
    at.ledger.parents = [TaskId(1)]
    cases: list[tuple[int, dict[str, Any]]] = [(2, {"of": 1}), (3, {})]
    for task_id, said in cases:
        outcome, attempt = await at.run("pwd; cat a.txt", task_id=task_id, kind="same", **said)
        assert attempt.output() == f"{at.place()}\none\ntwo\n".encode()
        assert result_of(outcome)["workspace"]["state"] == "review"
    assert at.ledger.rows[TaskId(1)].workspace.task_id == 3
    outcome, _ = await at.run("true", task_id=4, kind="same", of=77)
    assert isinstance(outcome, Failed)
    assert outcome.error == "task 77 has left no workspace"


@pytest.mark.parametrize("keep", ["auto", "never"])
async def test_what_is_given_back_in_the_workspace_of_another_leaves_its_work(
    at: Place, repo: Path, keep: str
) -> None:
    await at.run("echo two >> a.txt", kind="repo", repo=str(repo))
    said: dict[str, Any] = {"kind": "same", "of": 1, "keep": keep}
    task = make_task("command", {"argv": ["true"], "workspace": said}, task_id=2)
    stay = await at.lodgings.check_in(task, WorkspaceSpec(**said), {})
    outcome = Released("the worker could not make a pipe")
    assert await at.lodgings.check_out(task, stay, outcome) == outcome
    assert at.state() is WorkspaceState.KEPT
    assert (at.place() / "a.txt").read_text() == "one\ntwo\n"


async def test_who_has_lost_its_lease_starts_nothing(at: Place) -> None:
    at.ledger.holds = False
    with pytest.raises(StaleLeaseError):
        await at.run("touch ran", kind="fresh")
    assert not (at.place() / "ran").exists()
    assert await at.sweep() == 1
    assert not at.place().exists()


async def test_a_command_that_is_called_off_is_torn_down_and_kept(
    at: Place, tmp_path: Path
) -> None:
    payload = {"argv": ["echo on; sleep 60"], "shell": True}
    said = {"kind": "fresh", "teardown": [f"touch {tmp_path / 'down'}"]}
    attempt = RecordingAttempt(make_task("command", {**payload, "workspace": said}))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(at.executor.run(attempt))
        await attempt.output_containing(b"on")
        running.cancel()
    assert (tmp_path / "down").exists()
    assert at.ledger.rows[TaskId(1)].workspace.reason == "its attempt was called off"
    lock = at.yard.lock(TaskId(1))
    assert lock is not None
    lock.let_go()


async def test_who_fills_the_disk_is_stopped(at: Place) -> None:
    script = "head -c 3000000 /dev/zero > big; sleep 60"
    outcome, _ = await at.run(script, kind="fresh", max_bytes="1M")
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("its workspace held")
    assert outcome.error.endswith("and may hold 1.0 MiB")
    assert outcome.names == ("disk",)


async def test_a_full_disk_takes_no_further_one(at: Place, spawner: GuardedSpawner) -> None:
    settings = WorkspaceSettings(root=at.yard.root, min_free="1000T")
    tools = Tools(spawner=spawner, settings=(settings,), workspaces=at.ledger)
    async with CommandExecutor.open(tools) as executor:
        full = Place(executor, at.ledger, at.yard)
        outcome, _ = await full.run("true", kind="fresh")
    assert isinstance(outcome, Released)
    assert "less than 1000T (workspaces.min_free)" in outcome.reason


async def test_two_may_not_have_it_at_once(at: Place) -> None:
    await at.run("exit 1", kind="fresh")
    lock = at.yard.lock(TaskId(1))
    assert lock is not None
    assert at.yard.lock(TaskId(1)) is None
    outcome, _ = await at.run("true", attempt=2, kind="fresh")
    lock.let_go()
    assert isinstance(outcome, Released)
    assert at.place().exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    lock = Lock.take(tmp_path / "x")
    assert lock is not None
    lock.let_go()
    assert not (tmp_path / "x").exists()
    again = Lock.take(tmp_path / "x")
    assert again is not None
    again.let_go()
    again.let_go()


async def test_a_sweep_removes_what_died_while_it_was_made(at: Place, repo: Path) -> None:
    await at.run("echo changed > a.txt", kind="repo", repo=str(repo))
    about = at.about()
    # As it is when the machine dies before the rename.
    at.place().rename(at.yard.making(TaskId(1)))
    at.yard.write(replace(about, is_ready=False))
    at.ledger.rows.clear()
    (at.yard.root / ".going" / "7-abc").mkdir()
    assert await at.sweep() == 1
    assert not at.yard.making(TaskId(1)).exists()
    assert not list((at.yard.root / ".going").iterdir())
    assert git(repo, "worktree", "list").count("\n") == 0
    assert git(repo, "branch") == "* main"


async def test_a_sweep_tells_what_a_dead_worker_could_not(at: Place) -> None:
    await at.run("touch x; exit 1", kind="fresh")
    row = at.ledger.rows[TaskId(1)]
    row.workspace = replace(row.workspace, state=WorkspaceState.IN_USE)
    await at.sweep()
    assert (at.state(), row.workspace.reason) == (WorkspaceState.KEPT, "exit code 1")
    # Its file says no more than that it was in use.
    about = at.about()
    in_use = replace(about.workspace, state=WorkspaceState.IN_USE)
    at.yard.write(replace(about, workspace=in_use))
    row.workspace = in_use
    row.task_state = TaskState.RUNNING
    await at.sweep()
    assert at.state() is WorkspaceState.IN_USE
    row.task_state = TaskState.FAILED
    await at.sweep()
    assert row.workspace.reason == "its worker died"


async def test_a_sweep_removes_what_was_kept_for_long_enough(at: Place, repo: Path) -> None:
    await at.run("exit 1", kind="fresh")
    await at.run("touch x", task_id=2, kind="repo", repo=str(repo))
    for row in at.ledger.rows.values():
        row.age_seconds = 6 * 24 * 3600
    assert await at.sweep() == 0
    for row in at.ledger.rows.values():
        row.age_seconds = 8 * 24 * 3600
    assert await at.sweep() == 1
    assert (at.state(1), at.state(2)) == (WorkspaceState.REMOVED, WorkspaceState.REVIEW)
    assert not at.place(1).exists()
    assert at.place(2).exists()


async def test_what_is_never_kept_waits_for_a_further_attempt_and_goes_with_its_task(
    at: Place,
) -> None:
    said: dict[str, Any] = {"max_attempts": 2, "kind": "fresh", "keep": "never", "in_place": True}
    # Tasks 1 to 3 may go on in theirs: after a failure, set aside, and after a dead worker.
    await at.run("touch mine; exit 1", **said)
    await at.run("exit 75", task_id=2, kind="fresh", keep="never")
    await at.run("exit 1", task_id=3, **said)
    dead = at.ledger.rows[TaskId(3)]
    dead.workspace = replace(dead.workspace, state=WorkspaceState.IN_USE)
    for row in at.ledger.rows.values():
        row.task_state = TaskState.SCHEDULED
    assert await at.sweep() == 0
    # Somebody calls them off while they wait: no attempt comes that could clean up.
    for row in at.ledger.rows.values():
        row.task_state = TaskState.CANCELLED
    assert await at.sweep() == 3
    assert {at.state(n) for n in (1, 2, 3)} == {WorkspaceState.REMOVED}
    assert not list(at.yard.ids())


async def test_what_is_never_kept_is_gone_after_the_last_attempt(at: Place) -> None:
    said: dict[str, Any] = {"max_attempts": 2, "kind": "fresh", "keep": "never", "in_place": True}
    await at.run("exit 1", **said)
    assert at.state() is WorkspaceState.KEPT
    outcome, _ = await at.run("exit 1", attempt=2, **said)
    assert result_of(outcome)["workspace"]["state"] == "removed"
    assert not at.place().exists()


async def test_what_is_never_kept_of_another_task_is_there_for_a_further_attempt(
    at: Place,
) -> None:
    await at.run("touch theirs; exit 1", kind="fresh")
    said: dict[str, Any] = {"max_attempts": 2, "kind": "same", "of": 1, "keep": "never"}
    await at.run("exit 1", task_id=2, **said)
    _, attempt = await at.run("ls; exit 1", task_id=2, attempt=2, **said)
    assert attempt.output() == b"theirs\n"
    assert at.state() is WorkspaceState.REMOVED


async def test_a_sweep_removes_what_somebody_does_not_want_or_has_moved(at: Place) -> None:
    for task_id in (1, 2, 3):
        await at.run("exit 1", task_id=task_id, kind="fresh")
    unwanted, moved, gone = (at.ledger.rows[TaskId(n)] for n in (1, 2, 3))
    unwanted.workspace = replace(unwanted.workspace, state=WorkspaceState.UNWANTED)
    moved.workspace = replace(moved.workspace, host="elsewhere")
    shutil.rmtree(at.place(3))
    assert await at.sweep() == 2
    assert not at.place(1).exists()
    assert not at.place(2).exists()
    assert at.state(1) is WorkspaceState.REMOVED
    assert gone.workspace.reason == "it is not there any more"


async def test_a_sweep_leaves_what_another_machine_has_made_in_the_same_directory(
    at: Place,
) -> None:
    await at.run("touch theirs; exit 1", kind="fresh")
    theirs = replace(at.about().workspace, host="elsewhere")
    at.yard.write(replace(at.about(), workspace=theirs))
    at.ledger.rows[TaskId(1)].workspace = theirs
    assert await at.sweep() == 0
    assert (at.place() / "theirs").exists()


async def test_a_sweep_leaves_what_postgres_has_forgotten_but_a_command_has_made(at: Place) -> None:
    await at.run("touch precious; exit 1", kind="fresh")
    at.ledger.rows.clear()
    assert await at.sweep() == 0
    assert (at.place() / "precious").exists()


async def test_a_sweep_leaves_what_is_in_somebodys_hands(at: Place) -> None:
    await at.run("exit 1", kind="fresh")
    at.ledger.rows[TaskId(1)].workspace = replace(
        at.ledger.rows[TaskId(1)].workspace, state=WorkspaceState.UNWANTED
    )
    lock = at.yard.lock(TaskId(1))
    assert lock is not None
    assert await at.sweep() == 0
    lock.let_go()
    assert await at.sweep() == 1


@pytest.mark.parametrize(
    "before", [None, WorkspaceState.REMOVED, WorkspaceState.ACCEPTED, WorkspaceState.UNWANTED]
)
async def test_a_sweep_leaves_what_was_made_after_it_had_read_its_list(
    at: Place, repo: Path, before: WorkspaceState | None
) -> None:
    if before is not None:
        await at.run("true", kind="repo", repo=str(repo))
        row = at.ledger.rows[TaskId(1)]
        row.workspace = replace(row.workspace, state=before)

    async def work() -> None:
        commit = "git -c user.name=A -c user.email=a@b commit -q --allow-empty -m work"
        await at.run(f"{commit}; touch precious", attempt=2, kind="repo", repo=str(repo))

    at.ledger.after_listing = work
    assert await at.sweep() == 0
    assert at.state() is WorkspaceState.REVIEW
    assert (at.place() / "precious").exists()
    assert git(repo, "log", "-1", "--format=%s", "hive/1") == "work"


@pytest.mark.parametrize("kind", ["same", "dir", "fresh"])
async def test_a_sweep_leaves_what_a_running_command_is_told(
    at: Place, tmp_path: Path, kind: str
) -> None:
    await at.run("exit 1", kind="fresh")
    cases: dict[str, Any] = {"same": {"of": 1}, "dir": {"path": str(tmp_path)}, "fresh": {}}
    swept = tmp_path / "swept"
    script = f"echo on; until [ -e {swept} ]; do sleep 0.01; done; cat $HIVE_TASK_FILE"
    payload = {"argv": [script], "shell": True, "workspace": {"kind": kind, **cases[kind]}}
    attempt = RecordingAttempt(make_task("command", payload, task_id=2))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(at.executor.run(attempt))
        await attempt.output_containing(b"on")
        await at.sweep()
        swept.touch()
    assert isinstance(running.result(), Succeeded)
    assert b'"task_id":2' in attempt.output()
    for task_id in (1, 2):
        lock = at.yard.lock(TaskId(task_id))
        assert lock is not None
        lock.let_go()


async def taken_over(at: Place, way: Way = Way.MERGE, *, into: str | None = None) -> str:
    done = await accept(at.yard, at.about(), way=way, into=into, message="work")
    assert done.files == 1
    return done.where


@pytest.mark.parametrize("way", [Way.MERGE, Way.SQUASH])
async def test_work_is_merged_where_its_branch_is_checked_out(
    at: Place, repo: Path, way: Way
) -> None:
    await at.run("echo two >> a.txt", kind="repo", repo=str(repo))
    (repo / "b.txt").write_text("meanwhile\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "meanwhile")
    assert await taken_over(at, way) == "main"
    assert (repo / "a.txt").read_text() == "one\ntwo\n"
    assert git(repo, "status", "--porcelain") == ""
    parents = git(repo, "log", "-1", "--format=%p").split()
    assert len(parents) == (2 if way is Way.MERGE else 1)
    # Once more there is nothing to do, and nothing is done.
    if way is Way.MERGE:
        before = git(repo, "rev-parse", "main")
        await taken_over(at, way)
        assert git(repo, "log", "-1", "--format=%T", "main") == git(
            repo, "log", "-1", "--format=%T", before
        )


async def test_work_is_merged_into_a_branch_that_nobody_has_checked_out(
    at: Place, repo: Path
) -> None:
    git(repo, "branch", "side")
    await at.run("echo two >> a.txt", kind="repo", repo=str(repo))
    assert await taken_over(at, into="side") == "side"
    assert git(repo, "show", "side:a.txt") == "one\ntwo"
    assert (repo / "a.txt").read_text() == "one\n"
    with pytest.raises(RefusedWorkspaceError, match="has no branch 'nowhere'"):
        await taken_over(at, into="nowhere")


async def test_work_is_applied_without_a_commit(at: Place, repo: Path) -> None:
    script = r"printf 'one\n\000\377' > a.txt"
    await at.run(script, kind="repo", repo=str(repo))
    assert await taken_over(at, Way.APPLY) == str(repo)
    assert (repo / "a.txt").read_bytes() == b"one\n\0\xff"
    assert git(repo, "status", "--porcelain") == "M a.txt"
    with pytest.raises(RefusedWorkspaceError, match="do not fit what is in"):
        await taken_over(at, Way.APPLY)


async def test_conflicts_are_told_and_touch_nothing(at: Place, repo: Path) -> None:
    await at.run("echo theirs > a.txt", kind="repo", repo=str(repo))
    (repo / "a.txt").write_text("mine\n")
    git(repo, "commit", "-q", "-am", "mine")
    before = git(repo, "rev-parse", "main")
    with pytest.raises(RefusedWorkspaceError) as refused:
        await taken_over(at)
    assert "nothing was merged:\n  a.txt\n" in str(refused.value)
    assert "hive reject 1 -m" in str(refused.value)
    assert git(repo, "rev-parse", "main") == before
    assert git(repo, "status", "--porcelain") == ""


async def test_local_changes_that_are_in_the_way_stay(at: Place, repo: Path) -> None:
    await at.run("echo theirs > a.txt", kind="repo", repo=str(repo))
    (repo / "a.txt").write_text("not committed\n")
    with pytest.raises(RefusedWorkspaceError, match="main is checked out in"):
        await taken_over(at)
    assert (repo / "a.txt").read_text() == "not committed\n"


async def test_a_repository_elsewhere_is_cloned_once_and_pushed_to(
    at: Place, repo: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "elsewhere.git"
    git(tmp_path, "clone", "-q", "--bare", str(repo), str(bare))
    address = f"file://{bare}"
    await at.run("echo two >> a.txt", kind="repo", repo=address)
    workspace = at.ledger.rows[TaskId(1)].workspace
    assert (workspace.repository, workspace.base_branch) == (address, "main")
    # What comes there later is known to who comes later.
    git(repo, "commit", "-q", "--allow-empty", "-m", "later")
    git(repo, "push", "-q", str(bare), "main")
    _, attempt = await at.run("git log --format=%s -1", task_id=2, kind="repo", repo=address)
    assert attempt.output() == b"later\n"
    assert len(list((at.yard.root / ".repos").iterdir())) == 1
    assert await taken_over(at) == "main"
    assert git(bare, "show", "main:a.txt") == "one\ntwo"
    with pytest.raises(RefusedWorkspaceError, match="leave out --apply"):
        await taken_over(at, Way.APPLY)


async def test_an_address_where_nothing_is_fails_with_gits_reason(
    at: Place, tmp_path: Path
) -> None:
    outcome, attempt = await at.run("true", kind="repo", repo=f"file://{tmp_path}/nowhere")
    assert isinstance(outcome, Failed)
    assert "git fetch" in outcome.error
    assert not attempt.output(Stream.STDERR)
    outcome, _ = await at.run("true", task_id=2, kind="repo", repo=str(tmp_path))
    assert isinstance(outcome, Failed)
    assert "not a git repository" in outcome.error


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "new"},
        {"kind": "repo"},
        {"kind": "dir", "path": "relative"},
        {"kind": "fresh", "ref": "main"},
        {"kind": "repo", "repo": "--upload-pack=evil"},
        {"kind": "fresh", "copy": ["relative"]},
        {"kind": "fresh", "cache": ["relative"]},
        {"kind": "repo", "repo": "x", "copy": ["../up"]},
        {"kind": "fresh", "max_bytes": "much"},
    ],
)
async def test_what_can_be_no_workspace_is_refused(at: Place, said: dict[str, Any]) -> None:
    outcome, _ = await at.run("true", **said)
    assert isinstance(outcome, Failed)
    assert not outcome.is_retryable
    assert not at.yard.root.exists()


@pytest.mark.parametrize("cwd", ["/tmp", "a/../../b"])
def test_a_command_begins_inside_of_its_workspace(cwd: str) -> None:
    with pytest.raises(ValueError, match="with a workspace, cwd is a path in it"):
        CommandPayload(argv=("true",), cwd=cwd, workspace=WorkspaceSpec(kind="fresh"))


async def test_where_there_are_no_workspaces_a_task_that_wants_one_fails(
    executor: CommandExecutor,
) -> None:
    payload = {"argv": ["true"], "workspace": {"kind": "fresh"}}
    outcome = await executor.run(RecordingAttempt.of("command", payload))
    assert outcome == Failed("its worker has no place for workspaces", is_retryable=False)


def test_sizes_are_counted_once_and_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    one = size_of(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    assert size_of(tmp_path) == one >= 100_000
    assert [size_in_words(n) for n in (0, 1023, 1536, 1 << 31)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KiB",
        "2.0 GiB",
    ]
