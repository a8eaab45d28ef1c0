"""Which of the claimers that wait for room is next, where queues have weights."""

from collections.abc import Mapping
from typing import Final

from hive_contracts.clocks import Clock
from hive_contracts.labels import place_of
from hive_queen.sharing import Contender, Sharing, slots_used

__all__ = ["Turns"]

SHORTEST_SECONDS: Final = 0.002
"""What is out is looked at no more often than this to count who uses how many slots."""


class Turns:
    """Who waits, who has nothing to do, and by `Sharing` who goes first.

    Lines of a queue are told apart by what they have out; they share the queue's weight.
    """

    def __init__(self, weights: Mapping[str, int], clock: Clock) -> None:
        self._sharing = Sharing(weights)
        self._clock = clock
        self._ahead: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._counted_at = clock.seconds()

    def begin(self, line: str, *, ahead: int) -> None:
        """Hear that the claimer of `line` waits for room, and how much it may send ahead."""
        self._ahead[line] = ahead
        self._busy.add(line)
        self._sharing.come(place_of(line)[0])
        self._waiting.add(line)

    def end(self, line: str) -> None:
        """Hear that it waits no more: it claims, or is gone."""
        self._waiting.discard(line)

    def rest(self, line: str) -> None:
        """Hear that nothing waits in `line`."""
        self._busy.discard(line)
        queue = place_of(line)[0]
        if not any(place_of(other)[0] == queue for other in self._busy):
            self._sharing.rest(queue)

    @property
    def is_time_to_count(self) -> bool:
        """Whether enough time has passed to count who uses how many slots."""
        return self._clock.seconds() - self._counted_at >= SHORTEST_SECONDS

    def count_time(self, held: Mapping[str, int], *, slots: int) -> None:
        """Count who has used how many slots since the last time, by what is out by line."""
        now = self._clock.seconds()
        using = [self._contender(line, held) for line in held if held[line]]
        self._sharing.pass_time(now - self._counted_at, slots_used(using, slots=slots))
        self._counted_at = now

    def is_next(
        self, line: str, held: Mapping[str, int], slots_of: Mapping[str, int], *, slots: int
    ) -> bool:
        """Return whether no other line that waits, and could be given something, goes before it."""
        one = self._contender(line, held)
        rivals = self._rivals(line, held, slots_of)
        return not any(self._sharing.goes_before(rival, one, slots=slots) for rival in rivals)

    def most_at_once(
        self, line: str, held: Mapping[str, int], slots_of: Mapping[str, int], *, slots: int
    ) -> int | None:
        """Return how many tasks of `line` may be claimed at once; None for any number."""
        if not self._rivals(line, held, slots_of):
            return None
        return self._sharing.most_at_once(self._contender(line, held), slots=slots)

    def _rivals(
        self, line: str, held: Mapping[str, int], slots_of: Mapping[str, int]
    ) -> list[Contender]:
        rivals: list[Contender] = []
        for other in self._waiting - {line}:
            rival, slots = self._contender(other, held), slots_of.get(other, 0)
            if slots and slots + rival.ahead > rival.held:
                rivals.append(rival)
        return rivals

    def _contender(self, line: str, held: Mapping[str, int]) -> Contender:
        return Contender(
            queue=place_of(line)[0], held=held.get(line, 0), ahead=self._ahead.get(line, 0)
        )
