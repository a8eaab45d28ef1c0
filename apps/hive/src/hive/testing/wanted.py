"""Which submitted tasks a test means, and in what another differs from them.

A function is meant by itself, and its arguments by their names, however they were given. A payload
is partial: a dict in it fits one that has more keys, a list fits one of its length. Values are
compared with `==`, the wanted one on the left, so that `mock.ANY` and `pytest.approx` work.
"""

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias, cast

from hive_calls.payload import KIND as CALL
from hive_contracts.errors import UsageError

__all__ = ["Submission", "Wanted", "Work", "abbreviated", "describe_submission"]

Work: TypeAlias = str | Callable[..., Any]
"""The name of a kind, or a function, which is meant as a `call` task."""

DELAY_TOLERANCE: Final = timedelta(minutes=1)
LONGEST_VALUE: Final = 200
"""Characters of a value that a message shows."""

ABSENT: Final = object()


class Submission(Protocol):
    """What can be asked of a submitted task; a `TaskRecord` has it all."""

    @property
    def id(self) -> int:
        """The task's id."""
        ...

    @property
    def kind(self) -> str:
        """Its kind."""
        ...

    @property
    def payload(self) -> Any:
        """Its payload, as JSON gives it back."""
        ...

    @property
    def queue(self) -> str:
        """The queue that it was submitted to."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was submitted."""
        ...

    @property
    def run_at(self) -> datetime:
        """When it is due."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a task must be like."""

    work: Work | None = None
    payload: Mapping[str, Any] | None = None
    options: Mapping[str, Any]
    """Options of a task, by name, as they are given to `submit`."""

    def __post_init__(self) -> None:
        """Refuse arguments of nothing, and what is no mapping.

        Raises:
            UsageError: the message says what was given.
        """
        given = cast("object", self.payload)
        if given is not None and not isinstance(given, Mapping):
            raise UsageError(
                f"what a task must have been given is a dict, not {abbreviated(given)}:"
                " part of a payload, or the arguments of a function by their names"
            )

    def differences(self, task: Submission) -> list[str]:
        """Return in what `task` differs, as sentences; none if it fits."""
        return [*self._of_work(task), *self._of_options(task)]

    def is_work_of(self, task: Submission) -> bool:
        """Return whether `task` is of the kind, or calls the function, that is meant."""
        if self.work is None:
            return True
        if isinstance(self.work, str):
            return task.kind == self.work
        return task.kind == CALL and task.payload["function"] == _path_of(self.work)

    def _of_work(self, task: Submission) -> Generator[str]:
        if not self.is_work_of(task):
            yield f"it is {_work_of(task)}"
        elif self.work is None or isinstance(self.work, str):
            yield from _partial(self.payload or {}, task.payload, "payload")
        else:
            yield from _of_arguments(self.work, self.payload or {}, task.payload)

    def _of_options(self, task: Submission) -> Generator[str]:
        for name, wanted in self.options.items():
            if name == "delay":
                yield from _of_delay(wanted or timedelta(0), task)
            else:
                yield from _of_value(name, wanted, getattr(task, name))

    def __str__(self) -> str:
        """Say what is wanted."""
        match self.work:
            case None:
                parts = ["any task"]
            case str():
                parts = [self.work]
            case _:
                parts = [f"a call of {_path_of(self.work)}"]
        if self.payload:
            parts.append(abbreviated(self.payload))
        parts += [f"{name} {abbreviated(value)}" for name, value in self.options.items()]
        return ", ".join(parts)


def describe_submission(task: Submission) -> str:
    """Return a line about a submitted task."""
    if task.kind == CALL:
        keywords = [f"{name}={value!r}" for name, value in task.payload["kwargs"].items()]
        given = ", ".join([*map(repr, task.payload["args"]), *keywords])
        work = f"{_work_of(task)}({_cut(given)})"
    else:
        work = f"{task.kind}, {abbreviated(task.payload)}"
    return f"task {task.id}: {work}, queue {task.queue!r}"


def _work_of(task: Submission) -> str:
    return f"a call of {task.payload['function']}" if task.kind == CALL else task.kind


def abbreviated(value: object) -> str:
    """Return how Python writes `value`, without the middle if that is long."""
    return _cut(repr(value))


def _cut(text: str) -> str:
    half = LONGEST_VALUE // 2
    return text if len(text) <= LONGEST_VALUE else f"{text[:half]} ... {text[-half:]}"


def _path_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def _of_arguments(
    function: Callable[..., Any], wanted: Mapping[str, Any], payload: Mapping[str, Any]
) -> Generator[str]:
    bound = inspect.signature(function).bind(*payload["args"], **payload["kwargs"])
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            given |= value
        else:
            given[name] = value
    for name, value in wanted.items():
        yield from _partial(value, given.get(name, ABSENT), f"argument {name}")


def _of_delay(wanted: timedelta, task: Submission) -> Generator[str]:
    delay = task.run_at - task.created_at
    if abs(delay - wanted) > DELAY_TOLERANCE:
        yield f"delay is {delay}, not {wanted}"


def _of_value(what: str, wanted: object, given: object) -> Generator[str]:
    if given is ABSENT:
        yield f"{what} is not there"
    elif not wanted == given:  # noqa: SIM201 - the wanted value decides what equal means
        yield f"{what} is {abbreviated(given)}, not {abbreviated(wanted)}"


def _partial(wanted: object, given: object, place: str) -> Generator[str]:
    """Yield in what `given` lacks something of `wanted`; `place` is what a message calls it."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        have = cast("Mapping[str, object]", given)
        for key, value in cast("Mapping[str, object]", wanted).items():
            yield from _partial(value, have.get(key, ABSENT), f"{place}.{key}")
        return
    if isinstance(wanted, list | tuple) and isinstance(given, list):
        items, have = cast("Sequence[object]", wanted), cast("Sequence[object]", given)
        if len(items) == len(have):
            for number, (value, other) in enumerate(zip(items, have, strict=True)):
                yield from _partial(value, other, f"{place}[{number}]")
            return
    yield from _of_value(place, cast("object", wanted), cast("object", given))
