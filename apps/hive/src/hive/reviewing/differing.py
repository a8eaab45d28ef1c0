"""What a task has changed of its repository, committed or not."""

import sys

from hive.printing import say, show_json
from hive.reviewing.finding import Held, held
from hive.settings import Settings
from hive.tasks.reaching import open_view
from hive_contracts.errors import UsageError
from hive_contracts.ids import TaskId

__all__ = ["show_diff"]


async def show_diff(settings: Settings, task_id: TaskId, *, is_stat: bool, as_json: bool) -> None:
    """Print the difference between what a workspace was made of and what it holds.

    Raises:
        UsageError: it has none, it is on another machine, or it is of no repository.
    """
    async with open_view(settings) as view, held(view, task_id) as found:
        base = _base_of(found)
        tree = await found.git.snapshot(leave_out=found.about.copied)
        if as_json:
            show_json(await _plain(found, base, tree))
            return
        words = ["--stat"] if is_stat else []
        colour = "always" if sys.stdout.isatty() else "never"
        ran = await found.git.run("diff", f"--color={colour}", *words, base, tree)
    if not ran.out:
        say(f"hive: task {task_id} has changed nothing")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(ran.out)
    sys.stdout.flush()
    say(f"hive: take it over with `hive accept {task_id}`, or `hive reject {task_id} -m WHY`")


def _base_of(found: Held) -> str:
    workspace = found.workspace
    if workspace.base_commit is None:
        raise UsageError(
            f"the workspace of task {workspace.id} is of no repository; see what it holds with"
            f" `hive ws open {workspace.id}`"
        )
    return workspace.base_commit


async def _plain(found: Held, base: str, tree: str) -> dict[str, object]:
    workspace = found.workspace
    ran = await found.git.run("diff", "--numstat", "-z", "--no-renames", base, tree)
    files: list[dict[str, object]] = []
    for record in filter(None, ran.out.decode(errors="replace").split("\0")):
        added, removed, name = record.split("\t", 2)
        is_text = added != "-"
        files.append(
            {
                "file": name,
                "added": int(added) if is_text else None,
                "removed": int(removed) if is_text else None,
            }
        )
    return {
        "task_id": workspace.task_id,
        "repository": workspace.repository,
        "branch": workspace.branch,
        "base_branch": workspace.base_branch,
        "base_commit": base,
        "files": files,
    }
