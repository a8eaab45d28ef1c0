"""What may be done with what a task has left, and what goes on in its place."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from hive import up_state
from hive.reviewing.rejecting import follower_of
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, TaskRecord
from hive_contracts.workspaces import Workspace, WorkspaceState
from hive_testkit.console import Console
from hive_testkit.waiting import until

NOT_HANDED_ON = {
    "run_at",
    "when_busy",
    "unique_key",
    "unique_for",
    "expires_at",
    "name",
    "after",
    "if_parent_fails",
}
"""What of a task holds for its own submit alone: when, after what, and instead of what."""

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PAYLOAD: dict[str, Any] = {
    "argv": ["true"],
    "parents": True,
    "workspace": {"kind": "repo", "repo": "/r", "setup": ["make"], "comment": "once"},
}
RECORD = TaskRecord(
    id=TaskId(7), kind="command", queue="slow", payload=PAYLOAD, group="night", key="k",
    needs=("gpu",), breaker="quota", slots=3, priority=5, state=TaskState.SUCCEEDED, attempt=1,
    failures=0, max_attempts=4, losses=0, max_losses=6, retry="1s", timeout=timedelta(seconds=8),
    silence_timeout=timedelta(seconds=9), created_at=NOW, run_at=NOW, started_at=None,
    finished_at=None, cancel_requested_at=None, lease_id=None, lease_expires_at=None,
    worker_id=None, worker_host=None, worker_pid=None, result=None, error=None,
)  # fmt: skip
WORKSPACE = Workspace(
    id=TaskId(6), task_id=TaskId(7), host="h", path="/p", kind="repo", state=WorkspaceState.REVIEW
)


def test_what_goes_on_is_as_the_task_was_in_everything_but_its_submit() -> None:
    follower, anything = follower_of(RECORD, WORKSPACE, "again"), NewTask(kind="")
    for field in fields(NewTask):
        value = getattr(follower, field.name)
        if field.name in NOT_HANDED_ON:
            assert value == getattr(anything, field.name), field.name
        elif field.name != "payload":
            assert value == getattr(RECORD, field.name), field.name
            # A default would be no proof.
            assert value != getattr(anything, field.name), field.name


def test_what_goes_on_is_told_why_and_of_no_tasks_before_it() -> None:
    follower = follower_of(replace(RECORD, group=None), WORKSPACE, "again")
    assert follower.payload == {
        "argv": ["true"],
        "workspace": {"kind": "same", "of": 6, "comment": "again", "setup": ["make"]},
    }


def found(hive: Console, task: str) -> dict[str, Any]:
    return json.loads(hive("show", task, "--json").stdout)


async def test_a_workspace_that_is_worked_in_is_neither_cleaned_nor_sent_back(
    hive: Console,
) -> None:
    submitted = hive("submit", "--workspace", "fresh", "--", "sleep", "600")
    task = submitted.stdout.strip()
    await until(lambda: hive("ws", "open", task).returncode == 0, within_seconds=60)
    try:
        for words in (("ws", "clean", task, "--yes"), ("reject", task, "-m", "no")):
            refused = hive(*words)
            assert refused.returncode == 2, words
            assert f"the workspace of task {task} is in use; " in refused.stderr
    finally:
        assert hive("cancel", task, "--wait").returncode == 0


def test_what_was_sent_back_is_cleaned_by_the_task_that_went_on(hive: Console) -> None:
    hive("run", "--workspace", "fresh", "--", "false")
    left = str(json.loads(hive("list", "--json", "--limit", "1").stdout)[0]["id"])
    follower = hive("reject", left, "-m", "once more").stdout.strip()
    after = ("--after", follower, "--if-parent-fails", "run")
    assert hive("submit", "--wait", *after, "--", "true").returncode == 0
    asked = hive("ws", "clean", follower)
    assert f"remove 1 workspace ({follower})" in asked.stderr
    assert hive("ws", "clean", follower, "--yes").returncode == 0


async def left_by_one_that_waits(hive: Console, how: str) -> str:
    """Return a task that is to go on in the workspace that it has left."""
    script = "touch asked; exit 75"
    payload: dict[str, Any] = {"argv": [script], "shell": True}
    workspace: dict[str, Any] = {"kind": "fresh"}
    if how == "parked":
        payload["park_codes"] = [75]
    else:
        workspace["in_place"] = True
    words = ("--max-attempts", "2", "--retry", "1h") if how == "retried" else ()
    payload["workspace"] = workspace
    submitted = hive("submit", "command", *words, "--payload", json.dumps(payload))
    assert submitted.returncode == 0, submitted.stderr
    task = submitted.stdout.strip()
    # It was due at once: it is scheduled only after it has run, and left its workspace.
    await until(lambda: found(hive, task)["state"] == "scheduled", within_seconds=60)
    return task


@pytest.mark.parametrize("how", ["parked", "retried"])
async def test_what_a_task_may_go_on_in_is_left_to_it(hive: Console, how: str) -> None:
    task = await left_by_one_that_waits(hive, how)
    place = Path(hive("ws", "open", task).stdout.strip())
    for words in (("accept", task), ("reject", task, "-m", "no"), ("ws", "clean", task, "--yes")):
        refused = hive(*words)
        assert refused.returncode == 2, words
        assert f"task {task} is scheduled, and may go on in its workspace" in refused.stderr
        assert f"`hive cancel {task}`" in refused.stderr
    assert (place / "asked").exists()
    assert hive("cancel", task).returncode == 0
    cleaned = hive("ws", "clean", task, "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert not place.exists()


async def test_what_waits_for_a_machine_that_is_gone_can_be_freed_of_it(hive: Console) -> None:
    task = await left_by_one_that_waits(hive, "parked")
    state = up_state.read(hive.data_dir)
    assert state is not None
    connection = await asyncpg.connect(state.database_url)
    try:
        await connection.execute("update hive.workspace set host = 'gone' where id = $1", int(task))
    finally:
        await connection.close()
    cleaned = hive("ws", "clean", task, "--yes", "--json")
    assert json.loads(cleaned.stdout) == {"removed": 0, "later": 1, "left": 0}
    assert hive("cancel", task).returncode == 0
