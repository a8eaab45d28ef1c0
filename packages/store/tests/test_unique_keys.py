"""A task of a unique key is added once, and who says it again gets the first one's id."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask, Submitted, UniqueFor
from hive_store import Line, QueenStore, TaskStore, submitting
from hive_store.claiming import Watermarks
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SUBMITTERS = 32


def unique(key: str | None, unique_for: str | timedelta = UniqueFor.UNFINISHED) -> NewTask:
    return NewTask(kind="call", unique_key=key, unique_for=unique_for)


async def test_a_second_submit_gets_the_first_ones_task_and_is_told_so(tasks: TaskStore) -> None:
    [first] = await tasks.hand_in([unique("a")])
    [again, other] = await tasks.hand_in([unique("a"), unique("b")])
    assert (first.is_new, again, other.is_new) == (True, Submitted(first.id, is_new=False), True)
    assert await tasks.submit([unique("a")]) == [first.id]
    assert await tasks.count() == {"default": {TaskState.QUEUED: 2}}


async def test_in_a_bulk_submit_each_gets_its_answer_in_its_place(tasks: TaskStore) -> None:
    [old] = await tasks.submit([unique("old")])
    new = [NewTask(kind="call"), unique("x"), unique("old"), unique("x"), NewTask(kind="call")]
    handed_in = await tasks.hand_in(new)
    assert [each.is_new for each in handed_in] == [True, True, False, False, True]
    assert handed_in[2].id == old
    assert handed_in[3].id == handed_in[1].id
    ids = [each.id for each in handed_in if each.is_new]
    assert ids == sorted(ids)
    assert len(await tasks.read_many(ids)) == 3


async def test_of_many_connections_at_once_one_adds_it_and_all_learn_its_id(
    open_line: Callable[[], Line], tasks: TaskStore
) -> None:
    async def submit(number: int) -> list[tuple[str, TaskId, bool]]:
        # In ever other orders: nobody may wait for one another in a circle.
        names = [f"k{(i * 7 + number) % 20}" for i in range(20)]
        handed_in = await TaskStore(open_line()).hand_in([unique(name) for name in names])
        return sorted(
            (name, each.id, each.is_new) for name, each in zip(names, handed_in, strict=True)
        )

    async with asyncio.TaskGroup() as group:
        submits = [group.create_task(submit(number)) for number in range(SUBMITTERS)]
    answers = [submit.result() for submit in submits]
    ids = {tuple((name, task_id) for name, task_id, _ in answer) for answer in answers}
    assert len(ids) == 1
    assert sum(is_new for answer in answers for _, _, is_new in answer) == 20
    assert await tasks.count() == {"default": {TaskState.QUEUED: 20}}


async def test_submits_that_wait_for_one_anothers_keys_in_a_circle_both_come_through(
    open_line: Callable[[], Line], tasks: TaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are taken in their order within one statement, and here it takes four."""
    monkeypatch.setattr(submitting, "BOUND_BATCH_TASKS", 10)
    new = [unique(f"k{i:02}") for i in range(40)]
    async with asyncio.TaskGroup() as group:
        one = group.create_task(TaskStore(open_line()).hand_in(new))
        other = group.create_task(TaskStore(open_line()).hand_in(new[::-1]))
    there, back = one.result(), other.result()
    assert [each.id for each in there] == [each.id for each in reversed(back)]
    assert {each.is_new for each in there} | {each.is_new for each in back} == {True, False}
    assert await tasks.count() == {"default": {TaskState.QUEUED: 40}}


async def test_until_it_has_ended_or_only_while_it_waits_as_the_submitter_says(
    queen: QueenStore, tasks: TaskStore
) -> None:
    [first] = await tasks.submit([unique("a")])
    claim = queen.claim(
        "default",
        limit=1,
        lease=timedelta(minutes=1),
        bundle_size=1,
        worker_count=1,
        watermarks=Watermarks(),
    )
    assert len(await claim) == 1
    [still] = await tasks.hand_in([unique("a")])
    assert still == Submitted(first, is_new=False)
    [second] = await tasks.hand_in([unique("a", UniqueFor.WAITING)])
    assert second.is_new
    [third] = await tasks.hand_in([unique("a", UniqueFor.WAITING)])
    assert third == Submitted(second.id, is_new=False)
    await tasks.cancel([second.id])
    [fourth] = await tasks.hand_in([unique("a")])
    assert fourth.is_new


async def test_for_a_time_since_the_first_submit_whatever_became_of_it(
    tasks: TaskStore, database: Connection
) -> None:
    ten_minutes = timedelta(minutes=10)
    [first] = await tasks.submit([unique("a", ten_minutes)])
    await tasks.cancel([first])
    assert await tasks.submit([unique("a", ten_minutes)]) == [first]
    await pass_time(database, 601)
    [second] = await tasks.hand_in([unique("a", ten_minutes)])
    assert second.is_new


async def test_what_is_rolled_back_keeps_nobody_out(
    tasks: TaskStore, open_line: Callable[[], Line]
) -> None:
    async with open_line().lent() as own:
        transaction = own.transaction()
        await transaction.start()
        await tasks.submit([unique("a")], connection=own)
        await transaction.rollback()
    assert (await tasks.hand_in([unique("a")]))[0].is_new


async def test_who_submits_while_anothers_transaction_is_open_waits_for_it(
    tasks: TaskStore,
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    async with open_line().lent() as own, asyncio.TaskGroup() as group:
        async with own.transaction():
            [first] = await tasks.submit([unique("a")], connection=own)
            second = group.create_task(TaskStore(open_line()).hand_in([unique("a")]))
            await somebody_waits()
        assert await second == [Submitted(first, is_new=False)]


async def test_old_keys_are_forgotten_but_not_those_of_tasks_that_go_on(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    ended, going_on = await tasks.submit([unique("ended"), unique("going-on")])
    await tasks.cancel([ended])
    month = timedelta(days=30)
    assert await queen.forget_unique_keys(age=month, limit=10) == 0
    await pass_time(database, month.total_seconds() + 1)
    assert await queen.forget_unique_keys(age=month, limit=10) == 1
    assert await tasks.submit([unique("going-on")]) == [going_on]


async def test_a_task_that_retention_has_taken_keeps_nobody_out(
    tasks: TaskStore, database: Connection
) -> None:
    [first] = await tasks.submit([unique("a")])
    await database.execute("delete from hive.task where id = $1", first)
    await pass_time(database, 3601)
    assert (await tasks.hand_in([unique("a")]))[0].is_new


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (unique("a b"), "a unique_key is 1 to 200 characters"),
        (
            unique("a", "ever"),
            "unique_for is one of waiting, unfinished, or a duration, not 'ever'",
        ),
        (unique("a", timedelta(0)), "longer than nothing and 30 days at most, not 0 s"),
        (unique("a", timedelta(days=31)), "30 days at most, not 2.6784e"),
        (unique(None, UniqueFor.WAITING), "the task has no unique_key"),
    ],
)
async def test_what_cannot_be_is_refused(tasks: TaskStore, task: NewTask, words: str) -> None:
    with pytest.raises(RefusedTaskError, match=words):
        await tasks.submit([task])


async def test_ids_of_plain_and_unique_tasks_are_never_the_same(tasks: TaskStore) -> None:
    ids: list[TaskId] = []
    for number in range(5):
        ids += await tasks.submit([NewTask(kind="call"), NewTask(kind="call")])
        ids += await tasks.submit([unique(f"k{number}"), NewTask(kind="call")])
    assert len(set(ids)) == 20
