"""Leases are proved from when a renewal was sent, and less a margin."""

import asyncio

import pytest

from hive_testkit.clocks import ManualClock
from hive_worker.proof import Proof


def new_proof(clock: ManualClock) -> Proof:
    return Proof(clock, lease_seconds=15, margin_seconds=2)


def test_there_is_no_proof_before_the_first_renewal() -> None:
    assert not new_proof(ManualClock()).holds


def test_a_proof_counts_from_when_the_renewal_was_sent() -> None:
    clock = ManualClock()
    proof = new_proof(clock)
    sent_at = clock.seconds()
    clock.pass_seconds(4)
    proof.move(sent_at)
    clock.pass_seconds(8.9)
    assert proof.holds
    clock.pass_seconds(0.2)
    assert not proof.holds


def test_whoever_guards_processes_is_told_each_deadline() -> None:
    clock = ManualClock()
    proof = new_proof(clock)
    told: list[float] = []
    proof.on_move = told.append
    proof.move(clock.seconds())
    assert told == [clock.seconds() + 13]


async def test_waiting_ends_when_leases_can_be_proved_again() -> None:
    clock = ManualClock()
    proof = new_proof(clock)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(proof.wait())
        proof.heard()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        proof.move(clock.seconds())
        proof.heard()


async def test_a_proof_that_holds_is_not_waited_for() -> None:
    clock = ManualClock()
    proof = new_proof(clock)
    proof.move(clock.seconds())
    try:
        async with asyncio.timeout(0):
            await proof.wait()
    except TimeoutError:
        pytest.fail("it waited")
