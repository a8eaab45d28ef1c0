"""How a task is to be treated: what every form of submit takes beside the work itself."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, TypedDict, cast

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import TaskId
from hive_contracts.retrying import Retry
from hive_contracts.tasks import NewTask

__all__ = ["TaskOptions", "merged", "treated"]


class TaskOptions(TypedDict, total=False):
    """Options of a task. What is not given has its default."""

    queue: str
    """The line that it waits in: workers serve some queues; "default" if not given."""

    priority: int
    """0, the default, is most urgent; 32767 is the least."""

    run_at: datetime | None
    """Not before this moment (aware)."""

    delay: timedelta | None
    """Not before so long from now."""

    max_attempts: int | None
    """Most attempts that may end in failure; the default is 1 for commands and 3 for functions."""

    max_losses: int
    """The loss that ends it, 3 by default; with 0 it is never run again once it has started."""

    timeout: timedelta | None
    """Longest that one attempt may run."""

    silence_timeout: timedelta | None
    """Longest that one attempt may neither write nor show another sign of life."""

    group: str | None
    """What tasks submitted together have in common, to list and cancel them as one."""

    key: str | None
    """Tasks with the same key never run at the same time, and start in the order submitted."""

    when_busy: str
    """What to do about unfinished tasks of the same key: wait, replace, reject or cancel."""

    unique_key: str | None
    """What tells it from others: while another task of this unique key counts, none is added."""

    unique_for: str | timedelta
    """How long another counts: "waiting", "unfinished" (the default), or a time since then."""

    expires_at: datetime | None
    """If it still waits at this moment (aware), it is cancelled."""

    expires_in: timedelta | None
    """The same, counted from now: the longest that it may wait."""

    retry: str | Retry | None
    """When and after which failures it is tried again, as in "fixed(30s) only on TimeoutError"."""

    after: TaskId | Iterable[TaskId]
    """What submit returned for the tasks that it comes after: it waits until they have ended."""

    if_parent_fails: str
    """If one of those does not succeed: "cancel" it, the default, or "run" it all the same."""

    needs: Sequence[str]
    """Labels that its worker must have, all of them, as in `("gpu", "zone=eu")`."""


DURATIONS: Final = {"run_at": "delay", "expires_at": "expires_in"}
"""Moments, and the same said as durations from now."""

SAME_THING: Final = DURATIONS | {duration: moment for moment, duration in DURATIONS.items()}


def merged(first: TaskOptions, then: TaskOptions) -> TaskOptions:
    """Return both, where what comes then wins: it also says `run_at` anew where it says `delay`.

    Raises:
        TypeError: there is no such option; the message names those there are.
        RefusedTaskError: one of the two says the same thing twice.
    """
    known = TaskOptions.__annotations__
    for name in then:
        if name not in known:
            raise TypeError(f"a task has no option {name!r}; it has {', '.join(known)}")
    for moment, duration in DURATIONS.items():
        if then.get(moment) is not None and then.get(duration) is not None:
            raise RefusedTaskError(
                f"{moment} and {duration} say the same thing twice; give one of them"
            )
    replaced = {SAME_THING[name] for name in then if name in SAME_THING}
    kept = {name: value for name, value in first.items() if name not in replaced}
    return cast("TaskOptions", {**kept, **then})


def treated(task: object, options: TaskOptions) -> NewTask:
    """Return `task` with what `options` say. Raises as `all_treated` does."""
    [found] = all_treated([task], options)
    return found


def all_treated(tasks: Iterable[object], options: TaskOptions) -> list[NewTask]:
    """Return `tasks` with what `options` say; a delay is from the same moment on for all.

    Raises:
        RefusedTaskError: one is no task, or the delay is no timedelta or leads beyond the end of
            time.
    """
    changes: dict[str, Any] = {**options}
    for moment, duration in DURATIONS.items():
        length: object = changes.pop(duration, None)
        if length is not None:
            changes[moment] = _from_now(duration, length)
    if "after" in changes:
        changes["after"] = _ids_in(changes["after"])
    found = [task if isinstance(task, NewTask) else _refused(task) for task in tasks]
    return [replace(task, **changes) for task in found] if changes else found


def _refused(task: object) -> NoReturn:
    raise RefusedTaskError(
        f"a task is a NewTask, not {task!r}; make one with NewTask(kind=..., payload=...), or"
        " with call(function, ...)"
    )


def _ids_in(after: object) -> tuple[object, ...]:
    if isinstance(after, Iterable) and not isinstance(after, str | bytes):
        return tuple(cast("Iterable[object]", after))
    return (after,)


def _from_now(name: str, length: object) -> datetime:
    if not isinstance(length, timedelta):
        raise RefusedTaskError(f"{name} is a timedelta, not {length!r}")
    try:
        return datetime.now(UTC) + length
    except OverflowError:
        raise RefusedTaskError(f"{name} is {length}, which is too long") from None
