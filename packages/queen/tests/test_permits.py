"""The ledger of what is dispatched: never below nothing, never above what the rows allow."""

import asyncio
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hive_contracts.ids import LeaseId
from hive_contracts.labels import joined, line_of, slots_of
from hive_queen.permits import Permits
from hive_testkit.clocks import ManualClock

QUEUE: Final = "default"


def lease(number: int) -> LeaseId:
    return LeaseId(UUID(int=number))


def new_permits(*, slots: int = 10, clock: ManualClock | None = None) -> Permits:
    permits = Permits(clock or ManualClock())
    permits.resize(total=slots, by_queue={QUEUE: slots})
    return permits


def grant(permits: Permits, number: int, count: int) -> None:
    with permits.reserve(QUEUE, ahead=0, at_most=count) as reservation:
        reservation.hold(lease(number), count)


def test_there_is_room_for_as_many_tasks_as_there_are_slots() -> None:
    permits = new_permits()
    assert permits.room(QUEUE, ahead=0) == 10
    grant(permits, 1, 4)
    assert (permits.held, permits.room(QUEUE, ahead=0)) == (4, 6)
    assert permits.room(QUEUE, ahead=5) == 11


def test_a_queue_that_nobody_serves_has_no_room_however_short_its_tasks() -> None:
    assert new_permits().room("elsewhere", ahead=4000) == 0


def test_a_queue_has_no_more_room_than_its_own_slots() -> None:
    permits = Permits(ManualClock())
    permits.resize(total=10, by_queue={QUEUE: 4, "other": 6})
    assert permits.room(QUEUE, ahead=0) == 4
    with permits.reserve("other", ahead=0, at_most=500) as reservation:
        reservation.hold(lease(1), reservation.count)
    assert permits.room("other", ahead=0) == 0
    assert permits.room(QUEUE, ahead=0) == 4


def test_what_a_claim_does_not_use_goes_back() -> None:
    permits = new_permits()
    with permits.reserve(QUEUE, ahead=0, at_most=500) as reservation:
        assert reservation.count == 10
        assert permits.room(QUEUE, ahead=0) == 0
        reservation.hold(lease(1), 3)
    assert permits.held == 3


def test_a_claim_that_fails_gives_everything_back() -> None:
    permits = new_permits()
    with pytest.raises(RuntimeError), permits.reserve(QUEUE, ahead=0, at_most=5):
        raise RuntimeError
    assert permits.held == 0


def test_when_the_workers_leave_there_is_no_room_and_none_below_nothing() -> None:
    permits = new_permits()
    grant(permits, 1, 8)
    permits.resize(total=2, by_queue={QUEUE: 2})
    assert permits.room(QUEUE, ahead=0) == 0


def test_a_hint_heard_twice_or_late_changes_nothing() -> None:
    permits = new_permits()
    grant(permits, 1, 8)
    permits.shrink(lease(1), 3)
    permits.shrink(lease(1), 3)
    permits.shrink(lease(1), 6)
    assert permits.held == 3
    permits.shrink(lease(1), 0)
    permits.shrink(lease(1), 0)
    permits.shrink(lease(1), 2)
    assert permits.held == 0
    assert not permits.holds(lease(1))


def test_a_recount_believes_the_rows() -> None:
    clock = ManualClock()
    permits = new_permits(clock=clock)
    for number in (1, 2):
        grant(permits, number, 4)
    clock.pass_seconds(1)
    permits.reconcile([(lease(2), QUEUE, 1), (lease(3), QUEUE, 2)], read_at=clock.seconds())
    assert permits.held == 3
    assert not permits.holds(lease(1))


def test_a_recount_leaves_alone_what_was_granted_after_its_read() -> None:
    clock = ManualClock()
    permits = new_permits(clock=clock)
    read_at = clock.seconds()
    clock.pass_seconds(0.001)
    grant(permits, 1, 4)
    permits.reconcile([], read_at=read_at)
    assert permits.held == 4


def test_a_recount_does_not_bring_back_what_has_ended_since_its_read() -> None:
    clock = ManualClock()
    permits = new_permits(clock=clock)
    grant(permits, 1, 4)
    clock.pass_seconds(1)
    rows, read_at = [(lease(1), QUEUE, 4)], clock.seconds()
    permits.shrink(lease(1), 0)
    permits.reconcile(rows, read_at=read_at)
    assert permits.held == 0


def test_a_lease_that_a_recount_has_seen_first_is_not_counted_twice() -> None:
    permits = new_permits()
    with permits.reserve(QUEUE, ahead=0, at_most=4) as reservation:
        permits.reconcile([(lease(1), QUEUE, 4)], read_at=0)
        reservation.hold(lease(1), 4)
    assert permits.held == 4


async def test_a_claimer_that_waits_goes_on_when_a_permit_returns() -> None:
    permits = new_permits(slots=2)
    grant(permits, 1, 2)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(permits.wait_for_room(QUEUE, ahead=0, at_most=100)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        permits.shrink(lease(1), 1)


@pytest.mark.parametrize(("at_most", "enough"), [(100, 5), (3, 3)])
async def test_a_claimer_waits_until_half_of_what_went_ahead_is_through_or_a_whole_claim(
    at_most: int, enough: int
) -> None:
    permits = new_permits(slots=2)
    grant(permits, 1, 12)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(
            permits.wait_for_room(QUEUE, ahead=10, at_most=at_most, patience_seconds=60)
        )
        permits.shrink(lease(1), 12 - enough + 1)
        for _ in range(3):
            await asyncio.sleep(0)
        assert permits.room(QUEUE, ahead=10) == enough - 1
        assert not waiting.done()
        permits.shrink(lease(1), 12 - enough)


async def test_a_claimer_takes_what_room_there_is_when_half_does_not_come_back() -> None:
    permits = new_permits(slots=2)
    grant(permits, 1, 11)
    async with asyncio.timeout(5):
        await permits.wait_for_room(QUEUE, ahead=10, at_most=100, patience_seconds=0.01)
    assert permits.room(QUEUE, ahead=10) == 1


async def test_a_claimer_that_waits_goes_on_when_workers_come() -> None:
    permits = new_permits(slots=0)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(permits.wait_for_room(QUEUE, ahead=0, at_most=100))
        await asyncio.sleep(0)
        permits.resize(total=1, by_queue={QUEUE: 1})


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 60))
def test_a_reservation_is_never_more_than_room_nor_than_asked(
    slots: int, ahead: int, at_most: int
) -> None:
    permits = new_permits(slots=slots)
    with permits.reserve(QUEUE, ahead=ahead, at_most=at_most) as reservation:
        assert reservation.count == (min(slots + ahead, at_most) if slots else 0)


class Ledger(RuleBasedStateMachine):
    """Grants, endings, hints that are lost, doubled, late, and recounts that are old."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.permits = new_permits(clock=self.clock)
        self.rows: dict[int, int] = {}
        self.hints: list[tuple[int, int]] = []
        self.read: tuple[float, dict[int, int]] | None = None
        self.granted = 0

    @initialize()
    def begin(self) -> None:
        self.permits.resize(total=10, by_queue={QUEUE: 10})

    @rule(count=st.integers(1, 5))
    def claim(self, count: int) -> None:
        self.clock.pass_seconds(0.01)
        with self.permits.reserve(QUEUE, ahead=0, at_most=count) as reservation:
            if reservation.count:
                self.granted += 1
                self.rows[self.granted] = reservation.count
                reservation.hold(lease(self.granted), reservation.count)

    @rule(data=st.data())
    def end_some(self, data: st.DataObject) -> None:
        if self.rows:
            number = data.draw(st.sampled_from(sorted(self.rows)))
            still_open = data.draw(st.integers(0, self.rows[number] - 1))
            self.hints.append((number, still_open))
            if still_open:
                self.rows[number] = still_open
            else:
                del self.rows[number]

    @rule(data=st.data())
    def hear_a_hint(self, data: st.DataObject) -> None:
        if self.hints:
            number, still_open = data.draw(st.sampled_from(self.hints))
            self.permits.shrink(lease(number), still_open)

    @rule()
    def read_rows(self) -> None:
        self.clock.pass_seconds(0.01)
        self.read = (self.clock.seconds(), dict(self.rows))
        self.clock.pass_seconds(0.01)

    @rule()
    def apply_what_was_read(self) -> None:
        if self.read is not None:
            read_at, rows = self.read
            self.read = None
            counted = [(lease(number), QUEUE, count) for number, count in rows.items()]
            self.permits.reconcile(counted, read_at=read_at)

    @rule()
    def recount(self) -> None:
        self.read_rows()
        self.apply_what_was_read()
        assert self.permits.held == sum(self.rows.values())

    @invariant()
    def nothing_is_dispatched_without_a_permit(self) -> None:
        assert sum(self.rows.values()) <= self.permits.held <= 10
        assert 0 <= self.permits.room(QUEUE, ahead=0) <= 10


TestLedger = Ledger.TestCase


WIDE: Final = line_of(QUEUE, joined((), 3))
"""The line of tasks that take three slots each."""


def wide_permits(*, slots: int = 4) -> Permits:
    permits = Permits(ManualClock())
    permits.resize(total=slots, by_queue={QUEUE: slots, WIDE: slots - slots % 3})
    return permits


def test_a_task_of_several_slots_holds_as_many_permits() -> None:
    permits = wide_permits()
    permits.add(lease(1), WIDE, 1)
    assert permits.held == 3
    assert permits.room(QUEUE, ahead=0) == 1
    assert permits.room(WIDE, ahead=0, slots=3) == 0
    permits.shrink(lease(1), 1)
    assert permits.held == 3
    permits.shrink(lease(1), 0)
    assert permits.held == 0


def test_a_lease_of_tasks_of_several_slots_shrinks_by_as_many_for_each() -> None:
    permits = Permits(ManualClock())
    permits.resize(total=12, by_queue={WIDE: 12})
    with permits.reserve(WIDE, ahead=0, at_most=500, slots=3) as reservation:
        assert reservation.count == 4
        assert permits.held == 12
        reservation.hold(lease(1), 3)
    assert permits.held == 9
    permits.shrink(lease(1), 2)
    assert permits.held == 6
    permits.reconcile([(lease(1), WIDE, 1), (lease(2), WIDE, 2)], read_at=1.0)
    assert permits.held == 9


def test_one_free_slot_is_enough_for_one_task_of_several_and_no_more_go_out() -> None:
    permits = wide_permits()
    grant(permits, 1, 3)
    assert permits.room(WIDE, ahead=0, slots=3) == 1
    with permits.reserve(WIDE, ahead=0, at_most=500, slots=3) as reservation:
        reservation.hold(lease(2), reservation.count)
    assert permits.held == 6
    assert permits.room(WIDE, ahead=0, slots=3) == permits.room(QUEUE, ahead=0) == 0
    permits.shrink(lease(1), 1)
    assert permits.room(QUEUE, ahead=0) == 0
    permits.shrink(lease(1), 0)
    assert permits.room(QUEUE, ahead=0) == 1


def test_a_queen_whose_share_is_smaller_than_a_task_sends_it_when_she_has_a_slot() -> None:
    permits = Permits(ManualClock())
    permits.resize(total=2, by_queue={QUEUE: 2, WIDE: 2})
    assert permits.room(WIDE, ahead=0, slots=3) == 1


async def test_nothing_goes_ahead_while_a_task_of_several_slots_might_go_out() -> None:
    permits = wide_permits()
    grant(permits, 1, 4)
    assert permits.room(QUEUE, ahead=100) == 100
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(permits.wait_for_room(WIDE, ahead=0, at_most=100, slots=3))
        await asyncio.sleep(0)
        assert permits.room(QUEUE, ahead=100) == 0
        permits.shrink(lease(1), 3)
    assert waiting.done()
    assert permits.room(QUEUE, ahead=100) == 101


async def test_tasks_go_ahead_while_all_that_others_could_have_is_out() -> None:
    permits = wide_permits()
    permits.add(lease(1), WIDE, 1)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(permits.wait_for_room(WIDE, ahead=0, at_most=100, slots=3))
        await asyncio.sleep(0)
        assert permits.room(QUEUE, ahead=100) == 101
        waiting.cancel()


@given(st.lists(st.sampled_from([QUEUE, WIDE]), max_size=40), st.integers(min_value=1, max_value=9))
def test_never_more_is_out_than_the_slots_and_what_one_task_lacks(
    lines: list[str], slots: int
) -> None:
    permits = Permits(ManualClock())
    permits.resize(total=slots, by_queue={QUEUE: slots, WIDE: slots})
    for number, line in enumerate(lines):
        each = slots_of(line)
        with permits.reserve(line, ahead=0, at_most=2, slots=each) as reservation:
            if reservation.count:
                reservation.hold(lease(number), reservation.count)
        assert permits.held <= slots + 2
