"""Answer what a task asks, and tell what came of it."""

from hive.printing import say, show_json
from hive.settings import Settings
from hive.tasks.reaching import open_reach
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState

__all__ = ["answer_task"]


async def answer_task(settings: Settings, number: int, text: str, *, as_json: bool) -> None:
    """Answer what a task asks, and say what becomes of it.

    Raises:
        UnknownTaskError: there is no such task.
        UsageError: it asks nothing, or does not take that answer.
    """
    async with open_reach(settings) as reach:
        state = await reach.hive.answer(TaskId(number), text)
    if as_json:
        show_json({"id": number, "state": state})
    elif state is TaskState.QUEUED:
        say(f"hive: task {number} is queued, and finds the answer")
    else:
        say(f"hive: task {number} finds the answer, but is parked: hive unpark {number}")
