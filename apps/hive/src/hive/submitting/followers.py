"""Tasks that come after all of a bulk submit: `--on-success` and `--on-finished`.

They are submitted behind the last line, and come after the tasks that the group has then: what is
added to the group later, they do not wait for.
"""

from collections.abc import Sequence
from dataclasses import replace

from hive.submitting.lines import Line, RefusedLineError
from hive.submitting.task_lines import TaskLines
from hive.tasks.reaching import View
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.tasks import IfParentFails, NewTask

__all__ = ["read_followers", "submit_followers"]


def read_followers(
    reader: TaskLines, *, on_success: str | None, on_finished: str | None
) -> list[NewTask]:
    """Return the tasks that the options say, in the form of a line of JSON.

    Raises:
        ConfigurationError: an option says no task; the message names it.
    """
    said = {
        "--on-success": (on_success, IfParentFails.CANCEL),
        "--on-finished": (on_finished, IfParentFails.RUN),
    }
    followers: list[NewTask] = []
    for option, (text, wish) in said.items():
        if text is None:
            continue
        try:
            task = reader.read(Line(1, text.encode()))
        except RefusedLineError as error:
            raise ConfigurationError(f"{option}: {error.reason}") from error
        if task is None or task.after:
            raise ConfigurationError(f"{option} is a task that comes after the whole group alone")
        # Of no name, as the lines are read after it.
        followers.append(replace(task, name=None, if_parent_fails=wish))
    return followers


async def submit_followers(view: View, group: str, followers: Sequence[NewTask]) -> list[TaskId]:
    """Submit what comes after all tasks that a group has now; return the ids."""
    ids = [i async for page in view.selector.pages_of_ids(Selection(group=group)) for i in page]
    return await view.tasks.submit([replace(task, after=ids) for task in followers])
