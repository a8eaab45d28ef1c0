"""Workspaces in Postgres: written under a lease, settled once, forgotten with their tasks."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.outcomes import OutcomeName
from hive_contracts.retaining import KeepRule, Retention
from hive_contracts.states import Move, TaskState
from hive_contracts.workspaces import Workspace, WorkspaceState
from hive_store import Line, WorkspaceNotes
from hive_store.pruning import Pruner
from hive_store.worker_store import Ending
from hive_testkit.ground import Ground, open_ground


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


@pytest.fixture
def known(open_line: Callable[[], Line]) -> WorkspaceNotes:
    return WorkspaceNotes(open_line())


def workspace_of(task: Task, state: WorkspaceState = WorkspaceState.IN_USE) -> Workspace:
    return Workspace(
        id=task.id,
        task_id=task.id,
        host="here",
        path=f"/ws/{task.id}",
        kind="repo",
        state=state,
        repository="/repo",
        branch=f"hive/{task.id}",
        base_branch="main",
        base_commit="0" * 40,
    )


async def leased(ground: Ground) -> Task:
    [found] = await ground.lease(1)
    return found.task


async def end(ground: Ground, task: Task, move: Move, outcome: OutcomeName) -> None:
    result = '{"ok":true}' if move is Move.SUCCEED else None
    backoff = 0.0 if move is Move.RETRY else None
    error = None if move is Move.SUCCEED else "no"
    ending = Ending(task.id, task.lease_id, move, outcome, result, error, backoff)
    assert await ground.worker.finish([ending])


async def test_what_is_noted_is_found(ground: Ground, known: WorkspaceNotes) -> None:
    task = await leased(ground)
    assert await known.find(task.id) is None
    noted = replace(workspace_of(task), reason="a \0 reason", resumes=True)
    assert await known.note(task, noted)
    found = await known.find(task.id)
    assert found is not None
    assert found.changed_at is not None
    assert replace(found, changed_at=None, reason="a \0 reason") == noted
    [listed] = await known.list(host="here")
    assert (listed.workspace, listed.task_state) == (found, TaskState.DISPATCHED)
    assert await known.list(host="there") == []
    assert await known.list(states=[WorkspaceState.KEPT]) == []


async def test_who_has_no_lease_any_more_notes_nothing(
    ground: Ground, known: WorkspaceNotes
) -> None:
    task = await leased(ground)
    await end(ground, task, Move.SUCCEED, OutcomeName.SUCCEEDED)
    assert not await known.note(task, workspace_of(task))
    assert await known.find(task.id) is None


async def test_an_earlier_attempt_has_no_say_in_a_later_ones(
    ground: Ground, known: WorkspaceNotes
) -> None:
    first = await leased(ground)
    assert await known.note(first, workspace_of(first))
    await end(ground, first, Move.RETRY, OutcomeName.FAILED)
    await ground.queen.sweep_due(batch_size=10)
    bundle = await ground.claim(1)
    await ground.worker.accept([bundle.lease_id], lease=timedelta(seconds=15))
    [second] = await ground.worker.read([bundle.lease_id])
    assert await known.note(second.task, replace(workspace_of(first), host="there"))
    assert not await known.note(first, workspace_of(first, WorkspaceState.REMOVED))
    found = await known.find(first.id)
    assert found is not None
    assert (found.host, found.state) == ("there", WorkspaceState.IN_USE)


async def test_a_workspace_is_found_by_every_task_that_worked_in_it(
    ground: Ground, known: WorkspaceNotes
) -> None:
    tasks = [await leased(ground) for _ in range(3)]
    for task in (*tasks, tasks[1]):
        assert await known.note(task, replace(workspace_of(tasks[0]), task_id=task.id))
    for task in tasks:
        found = await known.find(task.id)
        assert found is not None
        assert (found.id, found.task_id) == (tasks[0].id, tasks[1].id)


async def test_the_workspaces_of_parents_are_found(ground: Ground, known: WorkspaceNotes) -> None:
    one, two = await leased(ground), await leased(ground)
    for task in (one, two):
        await known.note(task, workspace_of(task))
    [child] = await ground.submit(1, after=[two.id, one.id])
    assert [found.id for found in await known.of_parents(child)] == [one.id, two.id]
    assert await known.of_parents(one.id) == []


async def test_a_workspace_is_settled_once(ground: Ground, known: WorkspaceNotes) -> None:
    task = await leased(ground)
    await known.note(task, workspace_of(task, WorkspaceState.REVIEW))
    seen = await known.find(task.id)
    assert seen is not None
    assert await known.settle(seen, WorkspaceState.ACCEPTED, reason="in main")
    assert not await known.settle(seen, WorkspaceState.REJECTED)
    now = await known.find(task.id)
    assert now is not None
    assert (now.state, now.reason) == (WorkspaceState.ACCEPTED, "in main")


async def test_what_is_gone_is_forgotten_with_its_task(
    ground: Ground, known: WorkspaceNotes, open_line: Callable[[], Line]
) -> None:
    gone, kept = await leased(ground), await leased(ground)
    await known.note(gone, workspace_of(gone, WorkspaceState.REMOVED))
    await known.note(kept, workspace_of(kept, WorkspaceState.KEPT))
    for task in (gone, kept):
        await end(ground, task, Move.SUCCEED, OutcomeName.SUCCEEDED)
    assert await known.forget() == 0
    await Pruner(open_line()).prune(Retention((KeepRule(keep=timedelta()),)))
    assert await ground.tasks.read_many([gone.id, kept.id]) == []
    assert await known.forget() == 1
    [left] = await known.list()
    assert (left.workspace.id, left.task_state) == (TaskId(kept.id), None)
