"""New tasks, before anything is sent: which are refused, and in which words."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from numbers import Integral
from operator import attrgetter, is_
from types import NoneType
from typing import Final, TypeAlias, cast

from hive_contracts.errors import RefusedTaskError, UnstorableValueError
from hive_contracts.labels import LABEL_IN_WORDS, MOST_NEEDS, is_label
from hive_contracts.retrying import TIMED_OUT, Retry, is_exit, retry_in
from hive_contracts.sizes import oversize
from hive_contracts.tasks import LONGEST_UNIQUE, IfParentFails, NewTask, UniqueFor, WhenBusy
from hive_contracts.wire import encode_json

__all__ = [
    "FIELD_TYPES",
    "LATEST_RUN_AT",
    "Form",
    "checked_form",
    "checked_payload",
    "payload_of",
]

Form: TypeAlias = tuple[object, ...]
"""The values of a task's fields in the order of `FIELD_TYPES`."""

NAME: Final = re.compile(r"[^\s\x00\ud800-\udfff]{1,200}")
COMMAND: Final = "command"
LEAST_URGENT: Final = 32767
MOST_TIMES: Final = 1_000_000
MOST_PARENTS: Final = 100_000
LATEST_RUN_AT: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Far ahead of any plan, and before what asyncpg takes for infinity."""

FIELD_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "kind": ((str,), "text"),
    "queue": ((str,), "text"),
    "priority": ((Integral,), "a whole number"),
    "run_at": ((datetime, NoneType), "a datetime"),
    "max_attempts": ((Integral, NoneType), "a whole number"),
    "max_losses": ((Integral,), "a whole number"),
    "timeout": ((timedelta, NoneType), "a timedelta"),
    "silence_timeout": ((timedelta, NoneType), "a timedelta"),
    "group": ((str, NoneType), "text"),
    "key": ((str, NoneType), "text"),
    "when_busy": ((str,), "text"),
    "unique_key": ((str, NoneType), "text"),
    "unique_for": ((str, timedelta), "text or a timedelta"),
    "expires_at": ((datetime, NoneType), "a datetime"),
    "retry": ((str, Retry, NoneType), "text or a Retry"),
    "name": ((str, NoneType), "text"),
    "after": ((tuple, list), "a list of task ids, or of names of tasks before it"),
    "if_parent_fails": ((str,), "text"),
    "needs": ((tuple, list), "a tuple of labels"),
}
"""What the fields of a new task must be, in types and in words."""

_fields_of: Final = attrgetter(*FIELD_TYPES)


def checked_payload(task: NewTask) -> str:
    """Return a task's payload as JSON.

    Raises:
        RefusedTaskError: it may not be submitted as it stands; the message names the field.
    """
    checked_form(task, None)
    return payload_of(task)


def checked_form(task: NewTask, checked: Form | None) -> Form:
    """Return what a task is but for its payload: `checked` itself if it is the same.

    Args:
        task: any.
        checked: the form of a task that was found good, as of the one before: those that are
            submitted together mostly differ in their payloads alone, and are looked at once.

    Raises:
        RefusedTaskError: it may not be submitted as it stands; the message names the field.
    """
    form = _fields_of(task)
    # The very same objects mostly: 0.3 µs. What is merely equal may be a number that is not whole.
    if checked is not None and all(map(is_, form, checked)):
        return checked
    if (field := _misfit(*map(type, form))) is not None:
        raise RefusedTaskError(f"{field} is {FIELD_TYPES[field][1]}, not {getattr(task, field)!r}")
    if checked is not None and form == checked:
        return checked
    _check_values(task)
    return form


def _check_values(task: NewTask) -> None:
    for what in ("kind", "queue", "group", "key", "unique_key", "name"):
        name = getattr(task, what)
        if name is not None and not _is_name(name):
            raise RefusedTaskError(
                f"a {what} is 1 to 200 characters without white space, not {name!r}"
            )
    if not 0 <= task.priority <= LEAST_URGENT:
        raise RefusedTaskError(
            f"a priority is from 0 (most urgent) to {LEAST_URGENT} (least), not {task.priority}"
        )
    _check_limits(task)
    if task.needs:
        _check_needs(task)
    if task.unique_for != UniqueFor.UNFINISHED:
        _check_unique_for(task)
    if task.when_busy != WhenBusy.WAIT:
        _check_when_busy(task)
    if task.retry is not None:
        _check_retry(task, task.retry)
    if task.after or task.if_parent_fails != IfParentFails.CANCEL:
        _check_parents(task)


def payload_of(task: NewTask) -> str:
    """Return a task's payload as JSON.

    Raises:
        RefusedTaskError: it cannot be stored, or is too large.
    """
    try:
        payload = encode_json(task.payload)
    except UnstorableValueError as error:
        raise RefusedTaskError(f"the payload of a {task.kind} task: {error}") from error
    if excess := oversize(payload):
        raise RefusedTaskError(
            f"the payload {excess}. Put it into a file, and the file's path into the payload"
        )
    return payload


@cache
def _misfit(*types: type) -> str | None:
    """Return the first of `FIELD_TYPES` whose type, each in its place, is not what it must be.

    Remembered, as tasks that are submitted together are alike: 0.1 µs where the tests take 1.8.
    """
    for given, (field, (wanted, _)) in zip(types, FIELD_TYPES.items(), strict=True):
        # For Python, True is a whole number.
        if given is bool or not issubclass(given, wanted):
            return field
    return None


@lru_cache
def _is_name(name: str) -> bool:
    # Remembered, as few names come again and again: that pays for the test of types.
    return NAME.fullmatch(name) is not None


def _check_needs(task: NewTask) -> None:
    for label in task.needs:
        if not isinstance(cast("object", label), str) or not is_label(label):
            raise RefusedTaskError(f"a label is {LABEL_IN_WORDS}, not {label!r}")
    if len(set(task.needs)) > MOST_NEEDS:
        raise RefusedTaskError(
            f"a task needs {MOST_NEEDS} labels at most, not {len(set(task.needs))}"
        )


def _check_unique_for(task: NewTask) -> None:
    if isinstance(task.unique_for, timedelta):
        if not timedelta(0) < task.unique_for <= LONGEST_UNIQUE:
            raise RefusedTaskError(
                f"unique_for is longer than nothing and {LONGEST_UNIQUE.days} days at most, not"
                f" {task.unique_for.total_seconds():g} s"
            )
    elif task.unique_for not in list(UniqueFor):
        known = ", ".join(UniqueFor)
        raise RefusedTaskError(
            f"unique_for is one of {known}, or a duration, not {task.unique_for!r}"
        )
    if task.unique_key is None:
        raise RefusedTaskError("unique_for is said, but the task has no unique_key")


def _check_when_busy(task: NewTask) -> None:
    if task.when_busy not in list(WhenBusy):
        known = ", ".join(WhenBusy)
        raise RefusedTaskError(f"when_busy is one of {known}, not {task.when_busy!r}")
    if task.key is None:
        raise RefusedTaskError(
            f"when_busy is {task.when_busy!r}, but the task has no key to be busy"
        )


def _check_retry(task: NewTask, retry: str | Retry) -> None:
    try:
        policy = retry_in(str(retry))
    except ValueError as error:
        raise RefusedTaskError(f"the retry policy {str(retry)!r} makes no sense: {error}") from None
    strange = [name for name in policy.names if not (is_exit(name) or name == TIMED_OUT)]
    if task.kind == COMMAND and strange:
        raise RefusedTaskError(
            f"a command never fails with {strange[0]!r}: its failures are exit codes (75), signals"
            f" (SIGKILL) and {TIMED_OUT}"
        )
    if task.max_attempts == 1:
        raise RefusedTaskError(
            f"the retry policy {str(retry)!r} is said, but max_attempts 1 allows no retry"
        )


def _check_parents(task: NewTask) -> None:
    if task.if_parent_fails not in list(IfParentFails):
        known = ", ".join(IfParentFails)
        raise RefusedTaskError(f"if_parent_fails is one of {known}, not {task.if_parent_fails!r}")
    if not task.after:
        raise RefusedTaskError(
            f"if_parent_fails is {task.if_parent_fails!r}, but the task comes after no other"
        )
    if len(task.after) > MOST_PARENTS:
        raise RefusedTaskError(
            f"a task comes after {MOST_PARENTS:,} others at most, not {len(task.after):,};"
            " put tasks between that come after some of them each"
        )
    for parent in task.after:
        if type(parent) not in (int, str):
            raise RefusedTaskError(f"after is {FIELD_TYPES['after'][1]}; it holds {parent!r}")


def _check_limits(task: NewTask) -> None:
    if task.max_attempts is not None and not 1 <= task.max_attempts <= MOST_TIMES:
        raise RefusedTaskError(f"max_attempts is from 1 to {MOST_TIMES:,}, not {task.max_attempts}")
    if not 0 <= task.max_losses <= MOST_TIMES:
        raise RefusedTaskError(f"max_losses is from 0 to {MOST_TIMES:,}, not {task.max_losses}")
    for what in ("timeout", "silence_timeout"):
        limit: timedelta | None = getattr(task, what)
        if limit is not None and limit <= timedelta(0):
            raise RefusedTaskError(
                f"a {what} is longer than nothing, not {limit.total_seconds():g} s;"
                " leave it out for no limit"
            )
    if task.run_at is not None:
        _check_moment("run_at", task.run_at)
    if task.expires_at is not None:
        _check_moment("expires_at", task.expires_at)


def _check_moment(field: str, moment: datetime) -> None:
    if moment.tzinfo is None:
        raise RefusedTaskError(f"{field} needs a time zone: {moment.isoformat()}")
    if moment > LATEST_RUN_AT:
        raise RefusedTaskError(
            f"{field} is before {LATEST_RUN_AT:%Y-%m-%d}, not {moment.isoformat()}"
        )
