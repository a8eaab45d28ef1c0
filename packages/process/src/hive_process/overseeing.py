"""Who follows a command as it runs, and has the last word on what its end means.

An executor that understands what its program prints (an agent's stream of events) runs it through
`CommandExecutor.run_command` with an overseer. What the overseer hears is rid of secrets, so that
what it keeps may be stored. The lines of a setup or teardown have none.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from hive_contracts.execution import Stream
from hive_contracts.outcomes import Outcome

__all__ = ["Overseer"]


class Overseer(Protocol):
    """Follows one command of one attempt. Nothing of it may raise, or wait."""

    def begin(self, *, stop: Callable[[], None], note_result: Callable[[], None]) -> None:
        """Hear that the command has started.

        Args:
            stop: asks it to end, as a missed deadline does; harmless once it has.
            note_result: says that it has given its result: from now on it lingers.
        """
        ...

    def hear(self, stream: Stream, data: bytes) -> None:
        """Hear what it prints, in pieces of any size."""
        ...

    def told(self) -> Mapping[str, object]:
        """Return what the result of the attempt is to say beside how the command ended."""
        ...

    def called_off(self) -> Outcome | None:
        """Hear that it was called off; return what it has come to all the same, or None."""
        ...

    def judge(self, outcome: Outcome) -> Outcome:
        """Return what it means that the command ended so; its result holds what was `told`."""
        ...
