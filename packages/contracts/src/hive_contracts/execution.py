"""What an executor is, and what it is given.

An executor is found by entry point, so that Hive lists none:

    [project.entry-points."hive.executors"]
    command = "hive_process.command:CommandExecutor"

The entry point's name is the task's `kind`. The object must be a class that satisfies
`ExecutorType`: `open` it once per worker process, then `run` it for every attempt.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeVar

from hive_contracts.conversing import Switchboard
from hive_contracts.errors import ConfigurationError
from hive_contracts.outcomes import Outcome
from hive_contracts.spawning import Spawner
from hive_contracts.spending import Spending
from hive_contracts.tasks import NewTask, ParentResult, Question
from hive_contracts.workspaces import WorkspaceLedger

if TYPE_CHECKING:
    from hive_contracts.leased import Task

__all__ = ["EXECUTOR_GROUP", "Attempt", "Executor", "ExecutorType", "Stream", "Tools"]

EXECUTOR_GROUP: Final = "hive.executors"
"""Entry-point group under which packages register executors."""

SettingsT = TypeVar("SettingsT")
SharedT = TypeVar("SharedT")


@unique
class Stream(StrEnum):
    """Where a piece of output came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Attempt(Protocol):
    """One attempt as its executor sees it."""

    @property
    def task(self) -> "Task":
        """What to do."""
        ...

    @property
    def is_given_back(self) -> bool:
        """Whether it was called off for another attempt of its task to come, or to be there.

        What it has done so far is then no end of the task, and is put nowhere as one.
        """
        ...

    async def announce_start(self) -> None:
        """Write, under the lease, that the attempt has started; return once it is durable.

        Call it before anything that the world can see: no process ever starts under a lapsed
        lease. Calling it again does nothing.

        Raises:
            LostRaceError: the lease is gone, or a breaker or a budget keeps it; do nothing, and let
                the error pass.
        """
        ...

    async def parents(self) -> Sequence[ParentResult]:
        """Return what became of the tasks that this one comes after, by their ids.

        Raises:
            StoreUnavailableError: Postgres did not answer.
        """
        ...

    async def answers(self) -> Sequence[Question]:
        """Return what earlier attempts of the task asked and was answered, in order.

        Raises:
            StoreUnavailableError: Postgres did not answer.
        """
        ...

    async def spend(self, spending: Spending) -> str | None:
        """Say what the attempt has spent so far, in all; return which budget is used up, if one is.

        Say it as often as it is known: it is written every 2 s at most, and with the outcome. So an
        answer may be as old as that, and older while Postgres is away: it is waited for 2 s. Who is
        told of a budget stops, and returns `OverBudget` with what was told.

        A task whose budget is used up before it begins is kept at `announce_start`.

        Raises:
            StaleLeaseError: the lease is gone; stop, and let the error pass.
        """
        ...

    def submit_on_success(self, *tasks: NewTask) -> None:
        """Have tasks submitted in the transaction that stores the success of this attempt.

        If it does not succeed they are never there; if one of them is refused, it has failed.

        Raises:
            UsageError: the attempt is over.
        """
        ...

    def write_output(self, stream: Stream, data: bytes) -> None:
        """Keep `data` as output of the attempt: the head and the tail, up to the attempt's cap.

        Returns at once; the bytes reach the store within about a second, or with the outcome.
        """
        ...

    def position(self, stream: Stream) -> int:
        """Return how many bytes it has written to a stream so far, kept or not."""
        ...

    def cap_output(self, cap_bytes: int) -> None:
        """Keep no more than this of what it is about to write; more than the worker keeps, never.

        Raises:
            UsageError: it has written something already.
        """
        ...

    def let_be_abandoned(self) -> None:
        """Say that what runs from now on is a coroutine alone, with nothing beside it to be ended.

        If it ignores that it is cancelled, its slot need not wait for it. Never say so of what
        holds processes.
        """
        ...

    def show_life(self) -> None:
        """Say that the attempt has not come to a standstill, as output says it too."""
        ...

    def keep_usage(self, usage: Mapping[str, object]) -> None:
        """Keep what the attempt has used, for the case that it is called off and times out.

        Whoever returns an outcome says it in the outcome's own result.
        """
        ...


class Executor(Protocol):
    """Runs attempts of one kind. It holds no state between attempts; many run at once."""

    async def run(self, attempt: Attempt) -> Outcome:
        """Run `attempt` to its end.

        A failure of the task is returned, never raised. Cancelling the call stops the work, and
        returns once nothing of it is left running. Time-outs are the worker's: it cancels.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a worker lends to its executors."""

    spawner: Spawner
    settings: Sequence[object] = ()
    """One settings object for each part that has settings."""

    shared: Sequence[object] = ()
    """What executors of several kinds use together, such as models: one object of each type."""

    slots: int = 1
    """Most attempts that the worker runs at once."""

    switchboard: Switchboard | None = None
    """Lets people speak with attempts; None where nobody can."""
    workspaces: WorkspaceLedger | None = None
    """What is known of workspaces; None where tasks can have none."""

    def settings_of(self, kind: type[SettingsT]) -> SettingsT:
        """Return the settings of type `kind`, or its defaults if none were given."""
        return next((s for s in self.settings if isinstance(s, kind)), None) or kind()

    def shared_of(self, kind: type[SharedT]) -> SharedT:
        """Return what is shared of type `kind`.

        Raises:
            ConfigurationError: whoever opened the executors has put in none.
        """
        for shared in self.shared:
            if isinstance(shared, kind):
                return shared
        raise ConfigurationError(f"this worker has no {kind.__name__} to share")


class ExecutorType(Protocol):
    """What an entry point of `hive.executors` names."""

    payload_type: ClassVar[type]
    """Dataclass that a payload must fit; used to refuse bad input before it is queued."""

    @classmethod
    def open(cls, tools: Tools) -> AbstractAsyncContextManager[Executor]:
        """Make an executor whose resources live until the context closes."""
        ...
