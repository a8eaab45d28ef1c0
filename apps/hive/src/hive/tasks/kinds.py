"""Which kinds of tasks this machine knows, and what their payloads must look like.

Asked before a task is queued, so that a mistake is told to whoever makes it. Other machines may
know other kinds.
"""

from hive.printing import say
from hive_client.payloads import check_payload
from hive_contracts.errors import UnknownKindError
from hive_contracts.tasks import NewTask

__all__ = ["KindCheck", "check_payload"]


class KindCheck:
    """Refuses tasks that no executor here would run, or only says so of kinds that are unknown."""

    def __init__(self, *, is_forced: bool) -> None:
        self._is_forced = is_forced
        self._told: set[str] = set()

    def check(self, task: NewTask) -> None:
        """Refuse what `check_payload` refuses; an unknown kind only if that is not forced."""
        try:
            check_payload(task.kind, task.payload)
        except UnknownKindError as error:
            if not self._is_forced:
                raise
            if task.kind not in self._told:
                say(f"hive: {error}; it is queued for machines that have it")
            self._told.add(task.kind)
