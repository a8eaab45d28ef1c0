"""Send a task's work back: another task goes on in the same workspace, and is told why."""

from typing import Any, Final, cast

from hive.acting_for import actor_of
from hive.printing import say, show, show_json
from hive.reviewing.finding import find, refuse_unfinished
from hive.settings import Settings
from hive.tasks.reaching import Reach, open_reach
from hive_contracts.errors import UnknownTaskError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask, TaskRecord
from hive_contracts.workspaces import LEFT_STATES, Workspace, WorkspaceState
from hive_store.deeds import Deed

__all__ = ["follower_of", "reject_work"]

HANDED_ON: Final = ("setup", "teardown", "keep", "in_place", "max_bytes")
"""What of a task's wishes for its workspace holds for the one that goes on."""


async def reject_work(settings: Settings, task_id: TaskId, comment: str, *, as_json: bool) -> None:
    """Submit what goes on in the workspace of a task; print its id.

    Raises:
        UsageError: there is nothing to be sent back.
    """
    if not comment.strip():
        raise UsageError("a rejection says why: -m 'the tests do not pass'")
    async with open_reach(settings) as reach:
        workspace = await find(reach.view, task_id)
        if workspace.state not in LEFT_STATES:
            raise UsageError(
                f"the workspace of task {task_id} is {workspace.state.in_words}; only"
                " what a task has left can be rejected"
            )
        await refuse_unfinished(reach.view, workspace)
        follower = await _send_back(reach, workspace, comment)
        deed = Deed(
            actor=actor_of(settings),
            what="reject",
            target=f"task {workspace.task_id}",
            details={"why": comment, "goes on as": follower},
        )
        await reach.view.record(deed)
    if as_json:
        show_json({"task_id": task_id, "goes_on_as": follower, "workspace": workspace.path})
        return
    show(str(follower))
    say(f"hive: task {follower} goes on in {workspace.path}; see `hive logs -f {follower}`")


async def _send_back(reach: Reach, workspace: Workspace, comment: str) -> TaskId:
    records = await reach.view.tasks.read_many([workspace.task_id])
    if not records:
        raise UnknownTaskError(workspace.task_id)
    task = follower_of(records[0], workspace, comment)
    store = reach.view.workspaces
    if not await store.settle(workspace, WorkspaceState.REJECTED, reason=comment):
        raise UsageError(f"somebody else has settled the workspace of task {workspace.id} already")
    try:
        [follower] = await reach.hive.submit_many([task])
    except BaseException:
        seen = (WorkspaceState.REJECTED,)
        await store.settle(workspace, workspace.state, reason=workspace.reason, seen_as=seen)
        raise
    return follower


def follower_of(record: TaskRecord, workspace: Workspace, comment: str) -> NewTask:
    """Return the same task once more, in the workspace that is there.

    Raises:
        UsageError: its payload cannot be read here.
    """
    if not isinstance(record.payload, dict):
        raise UsageError(f"the payload of task {record.id} cannot be read here")
    payload = cast("dict[str, Any]", record.payload)
    said: Any = payload.get("workspace")
    if not isinstance(said, dict):
        raise UsageError(f"the payload of task {record.id} cannot be read here: it is sealed")
    wishes = cast("dict[str, Any]", said)
    kept = {name: wishes[name] for name in HANDED_ON if name in wishes}
    again = {"kind": "same", "of": workspace.id, "comment": comment, **kept}
    # It comes after no tasks of which it could be told.
    handed_on = {name: value for name, value in payload.items() if name != "parents"}
    resumes = record.kind == "agent" and payload.get("resumes", True)
    if resumes and isinstance(record.result, dict):
        # It goes on with the session in which the work was done, and not with one before.
        handed_on["session"] = cast("dict[str, Any]", record.result).get("session")
    return NewTask(
        kind=record.kind,
        payload={**handed_on, "workspace": again},
        queue=record.queue,
        priority=record.priority,
        max_attempts=record.max_attempts,
        max_losses=record.max_losses,
        timeout=record.timeout,
        silence_timeout=record.silence_timeout,
        group=record.group,
        key=record.key,
        retry=record.retry,
        needs=record.needs,
        breaker=record.breaker,
        slots=record.slots,
    )
