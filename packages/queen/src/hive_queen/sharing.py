"""Who goes next where several queues want the same slots: each gets them by its weight.

What is shared is the time of slots. A queue that has used less of it, by its weight, goes before
one that has used more. One that has nothing to do is passed over, and its share goes to the others;
when it comes back it begins where the others are: it can save nothing up.

    tasks known to be short   they run one after another: together they use the slots that others
                              leave, each queue by how much work it has out
    all others                each holds a slot, from its claim on

Decisions only; `Turns` and `Permits` act on them. A queue without a weight has a weight of 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Contender", "Sharing", "slots_used"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What a queue, or a line of one, has out and wants."""

    queue: str
    held: int
    """How many of its tasks are dispatched."""

    ahead: int
    """How many more than there are slots it may have out; 0 if they are long, or unknown. The
    shorter they are the more: what it has out of as many is how much work that is."""


def slots_used(contenders: Sequence[Contender], *, slots: int) -> dict[str, float]:
    """Return by queue how many slots its tasks use at this moment, more or less."""
    used = dict.fromkeys((each.queue for each in contenders), 0.0)
    for each in contenders:
        if not each.ahead:
            used[each.queue] += each.held
    short = [each for each in contenders if each.ahead]
    work = sum(each.held / each.ahead for each in short)
    left = min(max(0.0, slots - sum(used.values())), float(sum(each.held for each in short)))
    for each in short:
        used[each.queue] += left * (each.held / each.ahead) / work if work else 0.0
    return used


class Sharing:
    """Which queues are busy, and how much each has used of the slots' time, by its weight."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = weights
        self._used: dict[str, float] = {}
        self._busy: set[str] = set()

    def weight_of(self, queue: str) -> int:
        """Return a queue's weight."""
        return self._weights.get(queue, 1)

    def pass_time(self, seconds: float, slots: Mapping[str, float]) -> None:
        """Count what queues have used that had so many slots for so long."""
        for queue, count in slots.items():
            more = count * seconds / self.weight_of(queue)
            self._used[queue] = self._used.get(queue, 0.0) + more

    def come(self, queue: str) -> None:
        """Hear that a queue has something to do; it begins where the least busy one is."""
        if queue not in self._busy:
            least = min((self._used.get(other, 0.0) for other in self._busy), default=0.0)
            self._used[queue] = max(self._used.get(queue, 0.0), least)
            self._busy.add(queue)

    def rest(self, queue: str) -> None:
        """Hear that a queue has nothing to do."""
        self._busy.discard(queue)

    def goes_before(self, one: Contender, other: Contender, *, slots: int) -> bool:
        """Return whether `one` is to have the next slot rather than `other`.

        Who has not its share out at this moment goes before who has; then who has used less.
        """
        return self._place(one, slots) < self._place(other, slots)

    def most_at_once(self, one: Contender, *, slots: int) -> int:
        """Return how many tasks a queue may be given at once while others wait: at least 1.

        That is what it lacks of its share, so that one claim does not take what others are to have
        in the same moment.
        """
        return max(1, one.ahead // 4, self._share(one, slots) - one.held)

    def _place(self, one: Contender, slots: int) -> tuple[bool, float, float]:
        has_share = one.held >= self._share(one, slots)
        weight = self.weight_of(one.queue)
        return (has_share, self._used.get(one.queue, 0.0), (one.held + 1) / weight)

    def _share(self, one: Contender, slots: int) -> int:
        """Return how much a queue may have out by its weight, rounded up."""
        weights = sum(self.weight_of(queue) for queue in self._busy | {one.queue})
        return math.ceil((slots + one.ahead) * self.weight_of(one.queue) / weights)
