"""A lease is in hand from its accept until its last task has ended."""

from uuid import uuid4

from hive_contracts.ids import LeaseId, TaskId
from hive_worker.holdings import Holdings

LEASE = LeaseId(uuid4())
FIRST, SECOND = TaskId(1), TaskId(2)


def test_a_lease_is_held_until_its_last_task_has_ended() -> None:
    holdings = Holdings()
    holdings.take(LEASE, {FIRST, SECOND})
    holdings.ended([(LEASE, FIRST)])
    assert holdings.lease_ids() == [LEASE]
    holdings.ended([(LEASE, SECOND)])
    assert holdings.lease_ids() == []
    assert not holdings.holds(LEASE)


def test_what_was_dropped_stays_dropped_when_its_tasks_end() -> None:
    holdings = Holdings()
    holdings.take(LEASE, {FIRST})
    holdings.drop(LEASE)
    holdings.ended([(LEASE, FIRST)])
    holdings.drop(LEASE)
    assert not holdings.holds(LEASE)


def test_a_task_that_ends_twice_lets_go_of_nothing_else() -> None:
    holdings = Holdings()
    holdings.take(LEASE, {FIRST, SECOND})
    holdings.ended([(LEASE, FIRST)])
    holdings.ended([(LEASE, FIRST)])
    assert holdings.holds(LEASE)
