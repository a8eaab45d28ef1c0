"""What a function may ask of the task that it runs for, and have done when it succeeds.

    from hive_calls import fetch_parents, read_answers, read_parents, submit_on_success

    def merge() -> int:
        return sum(parent.result for parent in read_parents())

A function that is defined with `def` reads; one that is defined with `async def` fetches.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar

from hive_contracts.errors import UsageError
from hive_contracts.execution import Attempt
from hive_contracts.tasks import NewTask, ParentResult, Question

__all__ = [
    "TaskInChild",
    "fetch_answers",
    "fetch_parents",
    "now_runs",
    "read_answers",
    "read_parents",
    "submit_on_success",
]


class TaskInChild:
    """The task of a function in a child process, which asks its worker and waits for the answer."""

    def __init__(
        self,
        read_parents: Callable[[], Sequence[ParentResult]],
        read_answers: Callable[[], Sequence[Question]],
    ) -> None:
        self.read_parents = read_parents
        self.read_answers = read_answers
        self.then: list[NewTask] = []
        """What is to be submitted if it succeeds."""

    def submit_on_success(self, *tasks: NewTask) -> None:
        """Remember tasks for the answer."""
        self.then += tasks


_own: ContextVar[Attempt | TaskInChild] = ContextVar("own_task")


def now_runs(own: Attempt | TaskInChild) -> None:
    """Have the functions of this module speak of `own` from now on.

    It is not taken back: where a function runs another one does next, and says so before.
    """
    _own.set(own)


def read_parents() -> list[ParentResult]:
    """Return what became of the tasks that this one comes after, by their ids.

    Raises:
        UsageError: no function of a task runs here, or one defined with `async def`.
    """
    return list(_in_child("read_parents", "await fetch_parents()").read_parents())


async def fetch_parents() -> list[ParentResult]:
    """Return the same in a function defined with `async def`.

    Raises:
        UsageError: no function of a task runs here, or one defined with `def`.
        StoreUnavailableError: Postgres did not answer.
    """
    return list(await _in_loop("fetch_parents", "read_parents()").parents())


def read_answers() -> list[Question]:
    """Return what this task has asked and was answered so far, in order; see `asking.Ask`.

    Raises:
        UsageError: no function of a task runs here, or one defined with `async def`.
    """
    return list(_in_child("read_answers", "await fetch_answers()").read_answers())


async def fetch_answers() -> list[Question]:
    """Return the same in a function defined with `async def`.

    Raises:
        UsageError: no function of a task runs here, or one defined with `def`.
        StoreUnavailableError: Postgres did not answer.
    """
    return list(await _in_loop("fetch_answers", "read_answers()").answers())


def submit_on_success(task: NewTask) -> None:
    """Have a task submitted if this one succeeds: in the transaction that stores its success.

    What is submitted so may come after one another, by `name` and `after`. If one of them is
    refused, this task has failed, and none of them is there.

    Raises:
        UsageError: no function of a task runs here.
    """
    _of_here().submit_on_success(task)


def _in_child(name: str, instead: str) -> TaskInChild:
    own = _of_here()
    if not isinstance(own, TaskInChild):
        raise UsageError(f"{name} is for functions defined with `def`; {instead}")
    return own


def _in_loop(name: str, instead: str) -> Attempt:
    own = _of_here()
    if isinstance(own, TaskInChild):
        raise UsageError(f"{name} is for functions defined with `async def`; {instead}")
    return own


def _of_here() -> Attempt | TaskInChild:
    try:
        return _own.get()
    except LookupError:
        raise UsageError("no task runs here: this is for functions that a worker calls") from None
