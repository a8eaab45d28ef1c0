"""Hold what was submitted against what a test expects, and say what there was instead."""

from collections.abc import Sequence
from typing import Final, TypeVar

from hive.testing.wanted import Submission, Wanted, describe_submission

__all__ = ["assert_count", "assert_none", "fitting"]

MOST_SHOWN: Final = 5
"""Tasks in a message; those that fit best are shown."""

SubmissionT = TypeVar("SubmissionT", bound=Submission)


def fitting(tasks: Sequence[SubmissionT], wanted: Wanted) -> list[SubmissionT]:
    """Return those of the tasks that are as wanted."""
    return [task for task in tasks if not wanted.differences(task)]


def assert_count(
    tasks: Sequence[SubmissionT], wanted: Wanted, count: int | None
) -> list[SubmissionT]:
    """Return the tasks that are as wanted.

    Raises:
        AssertionError: they are not so many, or none at all if no `count` is given.
    """
    __tracebackhide__ = True
    found = fitting(tasks, wanted)
    if count is None and not found:
        raise AssertionError(f"no task was submitted like this: {wanted}\n{_told(tasks, wanted)}")
    if count is not None and len(found) != count:
        raise AssertionError(
            f"{_tasks(len(found))} submitted like this, not {count}: {wanted}\n"
            f"{_told(tasks, wanted)}"
        )
    return found


def assert_none(tasks: Sequence[Submission], wanted: Wanted) -> None:
    """Return if no task is as wanted.

    Raises:
        AssertionError: some are.
    """
    __tracebackhide__ = True
    if found := fitting(tasks, wanted):
        raise AssertionError(
            f"{_tasks(len(found))} submitted like this, not none: {wanted}\n{_told(found, wanted)}"
        )


def _told(tasks: Sequence[Submission], wanted: Wanted) -> str:
    """Return what there is, what fits best first, with what does not fit below each."""
    differing = [(wanted.differences(task), task) for task in tasks]
    differing.sort(key=lambda each: (not wanted.is_work_of(each[1]), len(each[0])))
    order = ", what fits best first:" if tasks else ""
    lines = [f"{_tasks(len(tasks))} submitted in all{order}"]
    for differences, task in differing[:MOST_SHOWN]:
        lines.append(f"  {describe_submission(task)}")
        lines += [f"    {difference}" for difference in differences]
    if len(tasks) > MOST_SHOWN:
        lines.append(f"  ... and {len(tasks) - MOST_SHOWN} more")
    return "\n".join(lines)


def _tasks(count: int) -> str:
    return f"{count} task was" if count == 1 else f"{count} tasks were"
