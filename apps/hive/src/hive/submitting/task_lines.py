"""A task from a line of JSON, with the options of the command line for what the line leaves out.

    {"kind": "command", "payload": {"argv": ["true"]}, "timeout": "10m", "priority": 5}

The fields are named as the options of `hive submit`; a field that is null is left out.
"""

import codecs
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from hive.settings import nearest
from hive.submitting.lines import Line, RefusedLineError
from hive.submitting.payloads import parse_json
from hive.submitting.said import SaidTask, as_field, task_of
from hive.tasks.kinds import KindCheck
from hive_contracts.errors import HiveError, RefusedTaskError
from hive_contracts.tasks import IfParentFails, NewTask
from hive_store.circles import find_circle, in_words
from hive_store.refusing import checked_payload

__all__ = ["TaskLines"]

FIELDS: Final[Mapping[str, tuple[type, str]]] = {
    "kind": (str, "a text"),
    "payload": (object, "anything"),
    "queue": (str, "a text"),
    "priority": (int, "a whole number"),
    "run_at": (str, "a moment, as in 2030-01-31T17:00+01:00"),
    "delay": (str, "a duration, as in 5m"),
    "max_attempts": (int, "a whole number"),
    "max_losses": (int, "a whole number"),
    "no_rerun": (bool, "true or false"),
    "timeout": (str, "a duration, as in 10m"),
    "silence_timeout": (str, "a duration, as in 5m"),
    "group": (str, "a text"),
    "key": (str, "a text"),
    "when_busy": (str, "wait, replace, reject or cancel"),
    "unique": (str, "a text"),
    "unique_for": (str, "waiting, unfinished or a duration, as in 10m"),
    "expires_at": (str, "a moment, as in 2030-01-31T17:00+01:00"),
    "expires_in": (str, "a duration, as in 5m"),
    "retry": (str, "a retry policy, as in exponential(1s, max 1h, jitter)"),
    "retry_on": (str, "failures, as in 75, timed_out"),
    "name": (str, "a text"),
    "after": (list, "a list of ids of tasks, or of names of lines before it"),
    "if_parent_fails": (str, "cancel or run"),
    "needs": (list, "a list of labels"),
}
"""Of each field: the type that it must have, and how to say so."""


class TaskLines:
    """Reads lines of JSON as tasks.

    Raises:
        ConfigurationError: the defaults themselves are malformed.
    """

    def __init__(self, defaults: SaidTask, *, is_forced: bool) -> None:
        task_of(defaults)
        self._defaults = defaults
        self._kinds = KindCheck(is_forced=is_forced)
        self._named: dict[str, int] = {}
        """By name: the number of the line that has it."""

        self._after: dict[str, Sequence[object]] = {}
        """By name: what the line comes after."""

        self._missed: set[str] = set()
        """What lines came after that no line before them had for a name."""

    def read(self, line: Line) -> NewTask | None:
        """Return the task that a line says; None for a blank line.

        Raises:
            RefusedLineError: it says none, or one that may not be submitted.
        """
        if not line.data.strip():
            return None
        said = _object_in(line)
        try:
            task = self._task(said)
            self._kinds.check(task)
            checked_payload(task)
            self._check_names(task, line.number)
        except HiveError as error:
            raise RefusedLineError(line.number, str(error)) from error
        return task

    def _task(self, said: dict[str, Any]) -> NewTask:
        given = _fields_of(said)
        if given.get("kind", self._defaults.kind) is None:
            raise RefusedTaskError('it has no "kind", and no KIND is given for lines without one')
        # Of two fields that say the same thing, what the line says of one is said of the other.
        if "run_at" in given or "delay" in given:
            given = {"run_at": None, "delay": None} | given
        if "expires_at" in given or "expires_in" in given:
            given = {"expires_at": None, "expires_in": None} | given
        if "max_losses" in given or "no_rerun" in given:
            given = {"max_losses": None, "no_rerun": False} | given
        if not given.get("after", self._defaults.after):
            # What is said of all lines is for those that come after something.
            given = {"if_parent_fails": IfParentFails.CANCEL} | given
        return task_of(replace(self._defaults, **given), spelled=as_field)

    def _check_names(self, task: NewTask, number: int) -> None:
        """See that names stand for lines before; a file is read twice, and is then the same."""
        if task.name is not None and task.after:
            self._after[task.name] = task.after
            circle = find_circle(task.name, self._after) if task.name in self._missed else None
            if circle is not None or task.name in task.after:
                raise RefusedTaskError(in_words(circle or [task.name, task.name]))
        for parent in task.after:
            if isinstance(parent, str) and self._named.get(parent, number) >= number:
                self._missed.add(parent)
                raise RefusedTaskError(
                    f"it comes after {parent!r}, but no line before it has that name"
                )
        if task.name is not None and self._named.setdefault(task.name, number) != number:
            raise RefusedTaskError(
                f"the name {task.name!r} is that of line {self._named[task.name]:,} already"
            )


def _object_in(line: Line) -> dict[str, Any]:
    try:
        # Some editors mark UTF-8 with a byte order mark, which can only be at the beginning.
        data = line.data.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.data
        said = parse_json(data.decode())
    except UnicodeDecodeError as error:
        raise RefusedLineError(line.number, "it is not UTF-8", column=error.start + 1) from None
    except json.JSONDecodeError as error:
        raise RefusedLineError(
            line.number, f"it is not JSON: {error.msg}", column=error.colno
        ) from None
    except RecursionError:
        raise RefusedLineError(line.number, "it is nested too deeply") from None
    except ValueError as error:
        raise RefusedLineError(line.number, f"it is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise RefusedLineError(
            line.number, 'it is no JSON object, such as {"kind": "command", "payload": ...}'
        )
    return cast("dict[str, Any]", said)


def _fields_of(said: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in said.items():
        if name not in FIELDS:
            meant = nearest(name, FIELDS) or f"; fields: {', '.join(FIELDS)}"
            raise RefusedTaskError(f"a task has no field {name!r}{meant}")
        kind, words = FIELDS[name]
        if value is None and name != "payload":
            continue
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise RefusedTaskError(f"{name} is {json.dumps(value)}; it must be {words}")
        given[name] = value
    return given
