"""Print what a task has written, up to now or up to its end."""

from dataclasses import dataclass

from hive.printing import say
from hive.settings import Settings
from hive.tasks.following import follow
from hive.tasks.outputs import OutputReader, StandardStreams
from hive.tasks.plain import PlainOutput
from hive.tasks.reaching import open_reach, open_view
from hive_contracts.errors import ConfigurationError
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.states import TERMINAL_STATES

__all__ = ["Wanted", "print_logs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a task's output."""

    stream: str | None = None
    """Of one stream; None for both."""

    attempt: int | None = None
    """Of which attempt; None for the last."""

    is_plain: bool = False
    """Without what is meant for terminals."""


async def print_logs(
    settings: Settings, number: int, wanted: Wanted, *, is_following: bool
) -> None:
    """Print the output of a task.

    Raises:
        UnknownTaskError: there is no such task.
        ConfigurationError: there is no such attempt.
    """
    task_id = TaskId(number)
    streams = tuple(Stream) if wanted.stream is None else (Stream(wanted.stream),)
    attempt, sink = wanted.attempt, StandardStreams()
    sink = PlainOutput(sink) if wanted.is_plain else sink
    if is_following:
        async with open_reach(settings) as reach:
            await follow(reach, task_id, sink, streams=streams)
            record = await reach.view.tasks.read(task_id)
            say(f"hive: task {task_id} {record.state}" + (f": {record.error}" * bool(record.error)))
        return
    async with open_view(settings) as view:
        record = await view.tasks.read(task_id)
        if attempt is not None and not 1 <= attempt <= record.attempt:
            raise ConfigurationError(
                f"task {task_id} has had {record.attempt} attempts; there is no attempt {attempt}"
            )
        reader = OutputReader(view.tasks, task_id, sink, streams=streams, attempt=attempt)
        await reader.drain()
    if record.state not in TERMINAL_STATES:
        say(f"hive: task {task_id} is {record.state}; go on with `hive logs -f {task_id}`")
