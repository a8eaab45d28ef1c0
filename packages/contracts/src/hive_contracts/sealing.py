"""What stands between a payload as it is submitted and run, and as it is stored.

Most Hives have none. One that signs or encrypts is `hive_sealing.KeySealer`.
"""

from typing import TYPE_CHECKING, Any, Protocol

from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask

if TYPE_CHECKING:
    from hive_contracts.leased import Task

__all__ = ["Sealer"]


class Sealer(Protocol):
    """Seals what is submitted, opens what is run, and reads what it has the keys for."""

    def sealed(self, task: NewTask) -> NewTask:
        """Return a task as it is to be stored."""
        ...

    def opened(self, task: "Task") -> "Task":
        """Return a task as its executor is to see it.

        Raises:
            BrokenSealError: it may not be run here, or was altered; the message says why.
        """
        ...

    def sealed_result(self, task: "Task", result: str) -> str:
        """Return a result, as JSON, as it is to be stored beside `task`, which is as leased."""
        ...

    def readable_payload(self, payload: Any, *, kind: str, queue: str) -> Any:
        """Return a stored payload as far as it can be read here."""
        ...

    def readable_result(self, result: Any, *, task_id: TaskId) -> Any:
        """Return a stored result as far as it can be read here."""
        ...
