"""A command, or an agent's prompt, from a line: `{}` in its words is replaced by the line.

There is no shell. A command without `{}` gets the line as one further argument, as with xargs, and
a prompt gets it behind its last word. Empty lines are no commands.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from hive.submitting.lines import Line, RefusedLineError
from hive.tasks.kinds import check_payload
from hive_contracts.errors import HiveError
from hive_contracts.tasks import NewTask
from hive_store.refusing import checked_payload
from hive_store.submitting import HELD_UNTIL

__all__ = ["CommandLines"]

PLACE: Final = "{}"


class CommandLines:
    """Reads lines as tasks that run a command.

    Raises:
        MalformedPayloadError: no program is named.
        RefusedTaskError: the task may not be submitted, whatever the line.
    """

    def __init__(self, command: Sequence[str], task: NewTask, *, is_held: bool) -> None:
        """Make a reader.

        Args:
            command: the program and its arguments.
            task: a task like all of these; its payload lacks nothing but `argv`, or `prompt`.
            is_held: whether tasks wait until somebody lets them go.
        """
        self.command = command
        """As it was typed."""

        self._words = command if any(PLACE in word for word in command) else [*command, PLACE]
        self._task = replace(task, run_at=HELD_UNTIL) if is_held else task
        self._checked(self._task_with("x"))

    def read(self, line: Line) -> NewTask | None:
        """Return the task of a line; None for an empty one.

        Raises:
            RefusedLineError: it can be no argument of a program.
        """
        if not line.data:
            return None
        try:
            return self._checked(self._task_with(line.data.decode()))
        except UnicodeDecodeError as error:
            reason = (
                "it is not UTF-8; leave it out, or turn the input into UTF-8 first, as iconv does"
            )
            raise RefusedLineError(line.number, reason, column=error.start + 1) from None
        except HiveError as error:
            raise RefusedLineError(line.number, str(error)) from error

    def _task_with(self, text: str) -> NewTask:
        payload: dict[str, Any] = self._task.payload
        argv = [word.replace(PLACE, text) for word in self._words]
        said = {"prompt": " ".join(argv)} if self._task.kind == "agent" else {"argv": argv}
        return replace(self._task, payload={**payload, **said})

    @staticmethod
    def _checked(task: NewTask) -> NewTask:
        check_payload(task.kind, task.payload)
        checked_payload(task)
        return task
