"""Slots shared by weight: over a long time each queue has its part, and no slot stands idle."""

import asyncio
import heapq
from collections import Counter
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hive_contracts.errors import ConfigurationError
from hive_contracts.ids import LeaseId
from hive_queen.permits import Permits
from hive_queen.settings import QueenSettings
from hive_queen.sharing import Contender, Sharing, slots_used
from hive_testkit.clocks import ManualClock

WEIGHTS = st.integers(1, 9)
RUN_SECONDS = st.sampled_from([0.5, 1.0, 3.0, 10.0])


def drained(
    weights: dict[str, int], seconds: dict[str, float], *, slots: int, until: float
) -> dict[str, float]:
    """Return the slot time that each queue had while all had work, by the rule alone."""
    sharing, now, numbers = Sharing(weights), 0.0, count()
    held, used = Counter[str](), dict.fromkeys(weights, 0.0)
    ends: list[tuple[float, int, str]] = []
    for queue in weights:
        sharing.come(queue)
    while now < until:
        while sum(held.values()) < slots:
            contenders = [Contender(queue=q, held=held[q], ahead=0) for q in weights]
            first, *_ = [
                one
                for one in contenders
                if not any(sharing.goes_before(other, one, slots=slots) for other in contenders)
            ]
            free = slots - sum(held.values())
            for _ in range(min(free, sharing.most_at_once(first, slots=slots))):
                held[first.queue] += 1
                heapq.heappush(ends, (now + seconds[first.queue], next(numbers), first.queue))
        at, _, queue = heapq.heappop(ends)
        sharing.pass_time(at - now, held)
        for each, number in held.items():
            used[each] += number * (at - now)
        now = at
        held[queue] -= 1
    return used


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(WEIGHTS, RUN_SECONDS), min_size=2, max_size=4), st.integers(1, 8))
def test_over_a_long_time_each_queue_has_the_slots_by_its_weight(
    queues: list[tuple[int, float]], slots: int
) -> None:
    weights = {f"q{n}": weight for n, (weight, _) in enumerate(queues)}
    seconds = {f"q{n}": run for n, (_, run) in enumerate(queues)}
    until = 500.0
    used = drained(weights, seconds, slots=slots, until=until)
    total = sum(used.values())
    assert total >= slots * until * 0.99
    # What is out of step is a task or two of each slot, however long it goes on.
    bound = 3 * slots * max(seconds.values())
    for queue, weight in weights.items():
        share = total * weight / sum(weights.values())
        assert abs(used[queue] - share) <= bound, (queue, used)


def test_a_queue_that_comes_back_has_saved_nothing_up() -> None:
    sharing = Sharing({"a": 1, "b": 1})
    sharing.come("a")
    sharing.pass_time(1000, {"a": 1})
    sharing.come("b")
    a, b = Contender(queue="a", held=0, ahead=0), Contender(queue="b", held=0, ahead=0)
    sharing.pass_time(1, {"b": 1})
    assert sharing.goes_before(a, b, slots=1)
    sharing.rest("a")
    sharing.pass_time(5, {"b": 1})
    sharing.come("a")
    assert not sharing.goes_before(a, b, slots=1)
    assert not sharing.goes_before(b, a, slots=1)


def test_short_tasks_use_together_what_the_long_ones_leave() -> None:
    long = Contender(queue="long", held=3, ahead=0)
    short = Contender(queue="short", held=500, ahead=500)
    slower = Contender(queue="slower", held=5, ahead=5)
    assert slots_used([long, short, slower], slots=4) == {
        "long": 3.0,
        "short": 0.5,
        "slower": 0.5,
    }
    assert slots_used([long, short], slots=3) == {"long": 3.0, "short": 0.0}
    assert slots_used([], slots=3) == {}


class Desk:
    """Permits with claimers that always find work, and tasks that take a while."""

    def __init__(self, weights: dict[str, int] | None, *, slots: int) -> None:
        self.clock = ManualClock()
        self.permits = Permits(self.clock, weights=weights)
        self.permits.resize(total=slots, by_queue={"a": slots, "b": slots})
        self.numbers = count(1)
        self.out: list[tuple[str, LeaseId]] = []
        self.given = Counter[str]()

    async def claim(self, queue: str, *, times: int = 1_000_000) -> None:
        for _ in range(times):
            await self.permits.wait_for_room(queue, ahead=0, at_most=100)
            with self.permits.reserve(queue, ahead=0, at_most=500) as reservation:
                await asyncio.sleep(0)
                for _ in range(reservation.count):
                    lease_id = LeaseId(UUID(int=next(self.numbers)))
                    reservation.hold(lease_id, 1)
                    self.out.append((queue, lease_id))
                    self.given[queue] += 1
        self.permits.rest(queue)

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    async def end_first(self) -> None:
        await self.settle()
        self.clock.pass_seconds(1)
        self.permits.shrink(self.out.pop(0)[1], 0)
        await self.settle()


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
async def test_claimers_that_always_find_work_are_given_slots_by_weight(slots: int) -> None:
    desk = Desk({"a": 3, "b": 1}, slots=slots)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        claiming = [group.create_task(desk.claim(queue)) for queue in ("a", "b")]
        for _ in range(400):
            await desk.end_first()
            assert len(desk.out) == slots
        for task in claiming:
            task.cancel()
    assert abs(desk.given["a"] - 300) <= 3 * slots, desk.given


async def test_while_one_queue_has_no_work_the_other_has_every_slot() -> None:
    desk = Desk({"a": 3, "b": 1}, slots=4)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        claiming = group.create_task(desk.claim("b"))
        for _ in range(20):
            await desk.end_first()
            assert [queue for queue, _ in desk.out] == ["b"] * 4
        late = group.create_task(desk.claim("a"))
        for _ in range(40):
            await desk.end_first()
            assert len(desk.out) == 4
        assert Counter(queue for queue, _ in desk.out) == {"a": 3, "b": 1}
        claiming.cancel()
        late.cancel()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("images", "a weight is said as images=3"),
        ("images=", "a weight is said as images=3"),
        ("=3", "a weight is said as images=3"),
        ("images=x", "a weight is said as images=3"),
        ("images=0", "from 1 to 1000, not 0"),
        ("images=1001", "from 1 to 1000, not 1001"),
    ],
)
def test_what_is_no_weight_is_refused(said: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        QueenSettings(weights=(said,))


def test_a_queue_has_one_weight() -> None:
    with pytest.raises(ConfigurationError, match="names queue 'a' twice"):
        QueenSettings(weights=("a=1", "a=2"))
    assert QueenSettings(weights=("a=3", "x=y=2")).weight_by_queue == {"a": 3, "x=y": 2}
