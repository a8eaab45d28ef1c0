"""A backlog and the slots that empty it: order, room, overdue tasks, and a loop that goes on."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from hive_store.worker_store import LeasedTask
from hive_testkit.attempts import make_task
from hive_testkit.clocks import ManualClock
from hive_testkit.waiting import until
from hive_worker.slots import Slots


def leased(number: int) -> LeasedTask:
    return LeasedTask(make_task("trial", {}, task_id=number), is_cancelled=False)


def ids(tasks: list[LeasedTask]) -> list[int]:
    return [leased.task.id for leased in tasks]


def new_slots(
    count: int, run: Callable[[LeasedTask], Awaitable[None]], clock: ManualClock | None = None
) -> Slots:
    return Slots(count, run=run, ahead_seconds=0.05, clock=clock or ManualClock())


async def wait_for_ever(_: LeasedTask) -> None:
    await asyncio.Event().wait()


async def return_at_once(_: LeasedTask) -> None:
    pass


@asynccontextmanager
async def serving(slots: Slots) -> AsyncGenerator[None]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(slots.run())
        yield
        running.cancel()


async def test_tasks_begin_in_the_order_in_which_they_were_put() -> None:
    began: list[int] = []

    async def run(leased: LeasedTask) -> None:
        began.append(leased.task.id)

    slots = new_slots(3, run)
    slots.put([leased(number) for number in range(1, 200)])
    async with serving(slots):
        await until(lambda: len(began) == 199)
    assert began == list(range(1, 200))


async def test_no_more_run_at_once_than_there_are_slots() -> None:
    slots = new_slots(3, wait_for_ever)
    slots.put([leased(number) for number in range(10)])
    async with serving(slots):
        await until(lambda: slots.busy == 3)
        assert slots.waiting == 7
        assert slots.room == 0
    assert slots.busy == 0


async def test_room_is_what_is_neither_busy_nor_spoken_for() -> None:
    slots = new_slots(4, wait_for_ever)
    assert slots.room == 4
    slots.put([leased(1)])
    assert slots.room == 3
    async with serving(slots):
        await until(lambda: slots.busy == 1)
        assert slots.room == 3


async def test_there_is_room_ahead_only_while_tasks_are_known_to_be_short() -> None:
    clock = ManualClock()
    seconds_each = 0.001

    async def run(_: LeasedTask) -> None:
        clock.pass_seconds(seconds_each)

    slots = new_slots(2, run, clock)
    slots.put([leased(1)])
    async with serving(slots):
        await until(lambda: not slots.waiting)
    slots.put([leased(number) for number in range(10)])
    assert slots.room == 90  # 50 ms of work for two slots, less what waits
    seconds_each = 60.0
    async with serving(slots):
        await until(lambda: not slots.waiting)
    slots.put([leased(number) for number in range(2)])
    assert slots.room == 0


async def test_waiting_for_room_ends_when_a_slot_is_free() -> None:
    go_on = asyncio.Event()

    async def run(_: LeasedTask) -> None:
        await go_on.wait()

    slots = new_slots(1, run)
    slots.put([leased(1)])
    async with serving(slots), asyncio.TaskGroup() as group:
        await until(lambda: slots.busy == 1)
        waiting = group.create_task(slots.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()


async def test_what_waits_for_too_long_is_taken_back_and_the_rest_stays() -> None:
    clock = ManualClock()
    slots = new_slots(1, wait_for_ever, clock)
    slots.put([leased(1), leased(2)])
    clock.pass_seconds(1)
    slots.put([leased(3)])
    clock.pass_seconds(0.5)
    assert ids(slots.take_overdue(seconds=1)) == [1, 2]
    assert ids(slots.take_overdue(seconds=1)) == []
    assert ids(slots.take_all()) == [3]
    assert slots.waiting == 0


async def test_after_being_told_to_stop_nothing_begins_and_there_is_no_room() -> None:
    began: list[LeasedTask] = []

    async def run(leased: LeasedTask) -> None:
        began.append(leased)

    slots = new_slots(2, run)
    async with serving(slots):
        await asyncio.sleep(0)
        slots.stop_taking()
        slots.put([leased(1)])
        for _ in range(5):
            await asyncio.sleep(0)
        assert slots.room == 0
        assert slots.waiting == 1
    assert began == []


async def test_many_tasks_that_never_wait_do_not_hold_up_the_loop() -> None:
    slots = new_slots(2, return_at_once)
    slots.put([leased(1)] * 20_000)
    turns = 0
    async with serving(slots):
        while slots.waiting:
            turns += 1
            await asyncio.sleep(0)
    assert turns >= 20_000 / (2 * 32)


async def test_a_slot_that_falls_takes_all_slots_with_it() -> None:
    async def run(leased: LeasedTask) -> None:
        if leased.task.id == 2:
            raise RuntimeError("nobody has thought of this")
        await asyncio.Event().wait()

    slots = new_slots(2, run)
    slots.put([leased(1), leased(2)])
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await slots.run()
    assert "nobody has thought of this" in str(caught.value.exceptions)


async def test_a_task_of_several_slots_runs_beside_no_more_than_the_rest_of_them() -> None:
    slots = new_slots(4, wait_for_ever)
    slots.put([leased(1)], slots=3)
    slots.put([leased(number) for number in range(2, 6)])
    async with serving(slots):
        await until(lambda: slots.busy == 4)
        assert slots.waiting == 3
        assert slots.room == 0
    assert slots.busy == 0


async def test_nothing_begins_before_a_task_of_several_slots_that_is_next() -> None:
    ends = {number: asyncio.Event() for number in range(1, 8)}
    began: list[int] = []

    async def run(leased: LeasedTask) -> None:
        began.append(leased.task.id)
        await ends[leased.task.id].wait()

    slots = new_slots(3, run)
    slots.put([leased(1), leased(2)])
    slots.put([leased(3)], slots=3)
    slots.put([leased(4), leased(5)])
    async with serving(slots):
        await until(lambda: slots.busy == 2)
        assert slots.room == 0, "the third slot is kept back"
        ends[1].set()
        await until(lambda: slots.busy == 1)
        assert began == [1, 2]
        ends[2].set()
        await until(lambda: slots.busy == 3)
        assert began == [1, 2, 3]
        ends[3].set()
        await until(lambda: slots.busy == 2)
        assert began == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("taken", [1, 2, 3])
async def test_however_many_of_one_slot_come_one_of_several_begins_and_slots_are_never_overdrawn(
    taken: int,
) -> None:
    running = most = 0
    began: list[int] = []
    of = {0: taken}

    async def run(leased: LeasedTask) -> None:
        nonlocal running, most
        began.append(leased.task.id)
        running += of.get(leased.task.id, 1)
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= of.get(leased.task.id, 1)

    slots = new_slots(3, run)
    slots.put([leased(number) for number in range(1, 50)])
    slots.put([leased(0)], slots=taken)
    slots.put([leased(number) for number in range(50, 100)])
    async with serving(slots):
        await until(lambda: len(began) == 100)
    assert began.index(0) == 49
    assert most == 3


async def test_what_slots_are_kept_back_for_is_not_taken_back_for_having_waited() -> None:
    clock = ManualClock()
    slots = new_slots(2, wait_for_ever, clock)
    slots.put([leased(1)], slots=2)
    slots.put([leased(2)])
    clock.pass_seconds(5)
    assert ids(slots.take_overdue(seconds=1)) == [2]
    assert slots.kept_back_for == (1,)
    assert slots.room == 0
    assert ids(slots.take_all()) == [1]
    assert slots.kept_back_for == ()
    assert slots.room == 2


async def test_what_shall_not_begin_any_more_gives_its_slots_to_what_waits_behind_it() -> None:
    began: list[int] = []

    async def run(leased: LeasedTask) -> None:
        began.append(leased.task.id)
        await asyncio.Event().wait()

    slots = new_slots(2, run)
    slots.put([leased(1)])
    slots.put([leased(2)], slots=2)
    slots.put([leased(3)])
    async with serving(slots):
        await until(lambda: slots.busy == 1)
        assert slots.withdraw(lambda leased: leased.task.id == 3) == []
        assert ids(slots.withdraw(lambda leased: leased.task.id == 2)) == [2]
        await until(lambda: slots.busy == 2)
        assert began == [1, 3]


async def test_a_task_may_wait_for_slots_unless_others_as_large_have_them() -> None:
    slots = new_slots(4, wait_for_ever)
    assert slots.has_room_for(4)
    slots.put([leased(1)])
    assert not slots.has_room_for(4)
    assert slots.may_keep_back(4)
    slots.put([leased(2)], slots=2)
    assert not slots.may_keep_back(1), "slots are kept back for another"
    async with serving(slots):
        await until(lambda: slots.busy == 3)
        assert slots.has_room_for(1)
        assert slots.may_keep_back(3), "what runs is smaller"
        assert slots.may_keep_back(2), "two slots are left to it"
    slots = new_slots(3, wait_for_ever)
    slots.put([leased(1)], slots=2)
    async with serving(slots):
        await until(lambda: slots.busy == 2)
        assert not slots.may_keep_back(2), "what runs is as large"


async def test_a_slot_that_is_abandoned_with_a_task_of_several_gives_all_of_them_back() -> None:
    go_on = asyncio.Event()
    holders: list[asyncio.Task[None]] = []

    async def run(leased: LeasedTask) -> None:
        current = asyncio.current_task()
        assert current is not None
        holders.append(current)
        await go_on.wait()

    slots = new_slots(3, run)
    slots.put([leased(1)], slots=2)
    async with serving(slots):
        await until(lambda: slots.busy == 2)
        slots.abandon(holders[0])
        assert slots.busy == 0
        slots.put([leased(2)], slots=3)
        await until(lambda: slots.busy == 3)
        go_on.set()
        await until(lambda: slots.busy == 0)
        assert slots.abandoned == 0
