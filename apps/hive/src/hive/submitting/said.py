"""A task as a person says it: in options, or in the fields of a line of JSON.

What is wrong is told by the name that was used: `--run-at` of an option, `run_at` of a field.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hive.command_options import CommandFlags, SpokenFlags
from hive.durations import read_duration
from hive.submitting.workspaces import room_of
from hive.task_options import FlagsOfAny
from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import TaskId
from hive_contracts.tasks import (
    DEFAULT_MAX_LOSSES,
    DEFAULT_QUEUE,
    IfParentFails,
    NewTask,
    UniqueFor,
    WhenBusy,
)

__all__ = ["SaidTask", "as_field", "as_option", "command_payload", "said_task", "task_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidTask:
    """A task as it is said; of many, what holds for lines that say nothing else."""

    kind: str | None = None
    payload: Any = field(default_factory=dict[str, Any])
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    run_at: str | None = None
    delay: str | None = None
    max_attempts: int | None = None
    max_losses: int | None = None
    no_rerun: bool = False
    timeout: str | None = None
    silence_timeout: str | None = None
    group: str | None = None
    key: str | None = None
    when_busy: str = WhenBusy.WAIT
    unique: str | None = None
    unique_for: str | None = None
    expires_at: str | None = None
    expires_in: str | None = None
    retry: str | None = None
    retry_on: str | None = None
    name: str | None = None
    after: str | Sequence[TaskId | str] | None = None
    """Ids in one text, or a list of ids and names."""

    if_parent_fails: str = IfParentFails.CANCEL
    needs: Sequence[str] = ()
    breaker: str | None = None
    slots: int = 1


def as_option(name: str) -> str:
    """Return how the command line spells a name."""
    return f"--{name.replace('_', '-')}"


def as_field(name: str) -> str:
    """Return how a line of JSON spells a name."""
    return name


def task_of(said: SaidTask, *, spelled: Callable[[str], str] = as_option) -> NewTask:
    """Return the task that is said.

    Args:
        said: what is said.
        spelled: how the names were spelled by who said it.

    Raises:
        ConfigurationError: a moment or a duration is malformed, or two of them contradict.
    """
    return NewTask(
        kind=said.kind or "",
        payload=said.payload,
        queue=said.queue,
        priority=said.priority,
        run_at=_moment(said, "run_at", "delay", spelled),
        max_attempts=said.max_attempts,
        max_losses=_max_losses(said, spelled),
        timeout=_duration(said, "timeout", spelled),
        silence_timeout=_duration(said, "silence_timeout", spelled),
        group=said.group,
        key=said.key,
        when_busy=said.when_busy,
        unique_key=said.unique,
        unique_for=_unique_for(said.unique_for, spelled),
        expires_at=_moment(said, "expires_at", "expires_in", spelled),
        retry=_retry(said, spelled),
        name=said.name,
        after=_after(said.after, spelled),
        if_parent_fails=said.if_parent_fails,
        needs=tuple(said.needs),
        breaker=said.breaker,
        slots=said.slots,
    )


def said_task(
    kind: str | None, payload: Any, task: FlagsOfAny, terms: CommandFlags, **others: Any
) -> SaidTask:
    """Return the task that flags say; `others` are fields that are said in other ways.

    Tasks that work in one directory share a key, unless they have one of their own.
    """
    said = SaidTask(kind=kind, payload=payload, **task.said() | others)
    return said if said.key is not None else replace(said, key=room_of(terms).key)


def command_payload(terms: CommandFlags, *, reads_parents: bool = False) -> dict[str, Any]:
    """Return what a `command` task that is typed needs beside its words: where, and with what.

    One that comes after others, and `reads_parents`, is given what became of them.

    Raises:
        ConfigurationError: a variable or a limit has no value, a duration is malformed, or
            `stdin` is not `open`.
    """
    room = room_of(terms)
    payload: dict[str, Any] = {"cwd": room.cwd, "env": _assigned(terms.env or [], "--env")}
    if room.workspace is not None:
        payload["workspace"] = room.workspace
    if terms.limit:
        payload["limits"] = {
            name: int(value) if value.isascii() and value.isdigit() else value
            for name, value in _assigned(terms.limit, "--limit").items()
        }
    for name, said in (("startup", terms.startup_timeout), ("linger", terms.linger_timeout)):
        if said is not None:
            length = read_duration(said, flag=f"--{name}-timeout")
            payload[f"{name}_seconds"] = length.total_seconds()
    if terms.output_cap is not None:
        payload["output_cap"] = terms.output_cap
    if reads_parents:
        payload["parents"] = True
    return payload | (_speech(terms, payload["env"]) if isinstance(terms, SpokenFlags) else {})


def _speech(terms: SpokenFlags, env: dict[str, str]) -> dict[str, Any]:
    """Return how people can speak with a command; its terminal is of the kind of this one."""
    if terms.stdin not in (None, "open"):
        raise ConfigurationError(
            f"--stdin is {terms.stdin!r}; it can only be open, for `hive send`"
        )
    if terms.pty and "TERM" in os.environ:
        env.setdefault("TERM", os.environ["TERM"])
    asked = {"pty": terms.pty, "stdin_open": terms.stdin is not None}
    return {name: True for name, is_asked in asked.items() if is_asked}


def _assigned(assignments: list[str], flag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"{flag} needs NAME=VALUE; it got {assignment!r}")
        found[name] = value
    return found


def _duration(said: SaidTask, name: str, spelled: Callable[[str], str]) -> timedelta | None:
    length = getattr(said, name)
    return None if length is None else read_duration(length, flag=spelled(name))


def _moment(
    said: SaidTask, moment: str, duration: str, spelled: Callable[[str], str]
) -> datetime | None:
    """Return a moment that is said as such, or as a duration from now."""
    at, length = getattr(said, moment), getattr(said, duration)
    if at is not None and length is not None:
        raise ConfigurationError(
            f"{spelled(moment)} and {spelled(duration)} say the same thing twice; give one of them"
        )
    if length is not None:
        try:
            return datetime.now(UTC) + read_duration(length, flag=spelled(duration))
        except OverflowError:
            raise ConfigurationError(
                f"{spelled(duration)} is {length!r}, which is too long"
            ) from None
    if at is None:
        return None
    try:
        # Without a time zone it is the clock on the wall.
        return datetime.fromisoformat(at).astimezone()
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{spelled(moment)} is {at!r}; write it like 2030-01-31T17:00 or 2030-01-31T17:00+01:00"
        ) from None


def _after(
    said: str | Sequence[TaskId | str] | None, spelled: Callable[[str], str]
) -> Sequence[TaskId | str]:
    if not isinstance(said, str):
        return said or ()
    try:
        return [TaskId(int(number)) for number in said.split(",")]
    except ValueError:
        raise ConfigurationError(
            f"{spelled('after')} is {said!r}; write the ids of tasks, as in 12,13"
        ) from None


def _unique_for(words: str | None, spelled: Callable[[str], str]) -> str | timedelta:
    if words is None:
        return UniqueFor.UNFINISHED
    if words in list(UniqueFor):
        return UniqueFor(words)
    return read_duration(words, flag=spelled("unique_for"))


def _retry(said: SaidTask, spelled: Callable[[str], str]) -> str | None:
    """Return the retry policy that is said as such, and after which failures."""
    if said.retry_on is None:
        return said.retry
    if said.retry is not None and "only on" in said.retry:
        raise ConfigurationError(
            f"{spelled('retry')} and {spelled('retry_on')} both say after which failures; let one"
            " of them say it"
        )
    return f"{said.retry or ''} only on {said.retry_on}".strip()


def _max_losses(said: SaidTask, spelled: Callable[[str], str]) -> int:
    if said.no_rerun and said.max_losses:
        raise ConfigurationError(
            f"{spelled('no_rerun')} means {spelled('max_losses')} 0, not {said.max_losses}"
        )
    if said.no_rerun:
        return 0
    return DEFAULT_MAX_LOSSES if said.max_losses is None else said.max_losses
