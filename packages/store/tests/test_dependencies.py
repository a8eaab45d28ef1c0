"""Tasks that come after others: when they begin, and what becomes of them if one fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import LeaseId, TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.granting import grant_all
from hive_store.statements import statement
from hive_store.worker_store import Ending
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MINUTE = timedelta(minutes=1)
FAILURES = [(Move.FAIL, OutcomeName.FAILED), (Move.CANCEL, OutcomeName.CANCELLED)]


class Scene:
    """A queen and a worker who do what is there to do, when they are told."""

    def __init__(self, tasks: TaskStore, queen: QueenStore, worker: WorkerStore) -> None:
        self.tasks = tasks
        self.queen = queen
        self.worker = worker
        self.lease_of: dict[TaskId, LeaseId] = {}

    async def submit(self, *after: TaskId, **fields: Any) -> TaskId:
        [task_id] = await self.tasks.submit([NewTask(kind="call", after=after, **fields)])
        return task_id

    async def grant(self) -> None:
        """Do all that the granter does when it is woken."""
        await grant_all(self.queen, batch_size=100)

    async def begin(self) -> list[TaskId]:
        """Grant, claim and accept; return what can run now."""
        await self.grant()
        bundles = await self.queen.claim(
            "default",
            limit=100,
            lease=MINUTE,
            bundle_size=100,
            worker_count=1,
            watermarks=Watermarks(),
        )
        granted = await self.worker.accept([b.lease_id for b in bundles], lease=MINUTE)
        begun = [leased.task for leased in await self.worker.tasks_of(granted)]
        self.lease_of |= {task.id: task.lease_id for task in begun}
        return [task.id for task in begun]

    async def end(
        self,
        *task_ids: TaskId,
        move: Move = Move.SUCCEED,
        outcome: OutcomeName = OutcomeName.SUCCEEDED,
    ) -> None:
        endings = [Ending(i, self.lease_of[i], move, outcome) for i in task_ids]
        assert await self.worker.finish(endings)

    async def states(self, task_ids: Sequence[TaskId]) -> list[TaskState]:
        found = await self.tasks.states(task_ids)
        return [found[task_id] for task_id in task_ids]


@pytest.fixture
def scene(tasks: TaskStore, queen: QueenStore, worker: WorkerStore) -> Scene:
    return Scene(tasks, queen, worker)


def finish_arguments(task_id: TaskId, lease_id: LeaseId, worker_id: WorkerId) -> tuple[Any, ...]:
    moves, outcomes = ["succeed"], ["succeeded"]
    return (
        [task_id], [lease_id], moves, outcomes, [None], [], [], [0.1], [lease_id], worker_id,
    )  # fmt: skip


async def nothing_is_left_over(database: Connection) -> bool:
    return await database.fetchval(
        "select not exists (select from hive.dependency_wake)"
        " and not exists (select from hive.gate_wake)"
        " and not exists (select from hive.dependency where is_open)"
        " and not exists (select from hive.task where is_gated and finished_at is null)"
    )


async def test_a_task_begins_when_all_that_it_comes_after_have_ended(
    scene: Scene, database: Connection
) -> None:
    one, two = await scene.submit(), await scene.submit()
    child = await scene.submit(one, two, one)
    assert await scene.states([child]) == [TaskState.BLOCKED]
    assert await scene.begin() == [one, two]
    await scene.end(one)
    assert await scene.begin() == []
    await scene.end(two)
    assert await scene.begin() == [child]
    await scene.end(child)
    assert await nothing_is_left_over(database)


async def test_of_a_task_that_comes_after_ended_ones_nothing_is_asked(scene: Scene) -> None:
    one = await scene.submit()
    await scene.begin()
    await scene.end(one)
    child = await scene.submit(one)
    assert await scene.begin() == [child]


async def test_a_parent_that_will_run_again_has_not_ended(scene: Scene) -> None:
    one = await scene.submit()
    child = await scene.submit(one)
    await scene.begin()
    await scene.end(one, move=Move.RETRY, outcome=OutcomeName.FAILED)
    assert await scene.begin() == []
    await scene.queen.sweep_due(batch_size=10)
    assert await scene.begin() == [one]
    await scene.end(one)
    assert await scene.begin() == [child]


@pytest.mark.parametrize(("move", "outcome"), FAILURES)
async def test_what_comes_after_a_failed_task_is_cancelled_down_the_whole_graph(
    scene: Scene, database: Connection, move: Move, outcome: OutcomeName
) -> None:
    one, other = await scene.submit(), await scene.submit()
    child = await scene.submit(one, other)
    grandchild = await scene.submit(child)
    await scene.begin()
    await scene.end(one, move=move, outcome=outcome)
    assert await scene.begin() == []
    assert await scene.states([child, grandchild]) == [TaskState.CANCELLED] * 2
    how = "failed" if move is Move.FAIL else "was cancelled"
    assert (await scene.tasks.read(child)).error == f"task {one}, which it comes after, {how}"
    told = f"task {child}, which it comes after, was cancelled"
    assert (await scene.tasks.read(grandchild)).error == told
    await scene.end(other)
    await scene.grant()
    assert await nothing_is_left_over(database)


async def test_a_task_may_run_whatever_becomes_of_its_parents(scene: Scene) -> None:
    failing, called_off, good = [await scene.submit() for _ in range(3)]
    child = await scene.submit(failing, called_off, good, if_parent_fails="run")
    await scene.begin()
    await scene.end(failing, move=Move.FAIL, outcome=OutcomeName.FAILED)
    await scene.end(called_off, move=Move.CANCEL, outcome=OutcomeName.CANCELLED)
    assert await scene.begin() == []
    await scene.end(good)
    assert await scene.begin() == [child]


async def test_every_way_to_end_wakes_what_comes_after(
    scene: Scene, open_queen: Callable[[], QueenStore], database: Connection
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    called_off = await scene.submit()
    expired = await scene.submit(expires_at=soon, run_at=soon + MINUTE)
    lost = await scene.submit(max_losses=0)
    parents = [called_off, expired, lost]
    children = [await scene.submit(parent, if_parent_fails="run") for parent in parents]
    await scene.tasks.cancel([called_off])
    assert await scene.begin() == [lost, children[0]]
    await scene.worker.start([(lost, scene.lease_of[lost])])
    await scene.end(children[0])
    await pass_time(database, 61)
    await scene.queen.expire(batch_size=10)
    await scene.queen.reap(batch_size=10)
    assert await scene.states(parents) == [
        TaskState.CANCELLED,
        TaskState.CANCELLED,
        TaskState.FAILED,
    ]
    assert await scene.begin() == children[1:]

    unsent = await scene.submit()
    child = await scene.submit(unsent, if_parent_fails="run")
    other = open_queen()
    [bundle] = await other.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    await scene.tasks.cancel([unsent])
    await other.release([bundle.lease_id], reason="it could not be sent")
    assert await scene.begin() == [child]


async def test_a_task_for_later_that_comes_after_another_waits_for_both(
    scene: Scene, database: Connection
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    one, two = await scene.submit(), await scene.submit()
    early, late = await scene.submit(one, run_at=soon), await scene.submit(two, run_at=soon)
    await scene.begin()
    await scene.end(one)
    assert await scene.begin() == []
    assert await scene.states([early, late]) == [TaskState.SCHEDULED] * 2
    await pass_time(database, 31)
    await scene.queen.sweep_due(batch_size=10)
    assert await scene.states([early, late]) == [TaskState.QUEUED, TaskState.BLOCKED]
    assert await scene.begin() == [early]
    await scene.end(two)
    assert await scene.begin() == [late]


async def test_the_first_in_line_of_a_key_keeps_its_place_while_it_waits_for_others(
    scene: Scene,
) -> None:
    parent = await scene.submit()
    first, second = await scene.submit(parent, key="a"), await scene.submit(key="a")
    assert await scene.begin() == [parent]
    assert await scene.states([first, second]) == [TaskState.BLOCKED] * 2
    await scene.end(parent)
    assert await scene.begin() == [first]
    await scene.end(first)
    assert await scene.begin() == [second]


@pytest.mark.parametrize("how", ["by a person", "for its parent", "for its time"])
async def test_a_key_whose_first_in_line_is_cancelled_goes_on(
    scene: Scene, database: Connection, how: str
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    parent = await scene.submit()
    first = await scene.submit(parent, key="a", expires_at=soon)
    second = await scene.submit(key="a")
    assert await scene.begin() == [parent]
    if how == "by a person":
        await scene.tasks.cancel([first])
    elif how == "for its parent":
        await scene.end(parent, move=Move.FAIL, outcome=OutcomeName.FAILED)
    else:
        await pass_time(database, 31)
        await scene.queen.expire(batch_size=10)
    assert await scene.begin() == [second]
    assert await scene.states([first]) == [TaskState.CANCELLED]


async def test_a_parent_of_the_same_key_goes_first(scene: Scene) -> None:
    parent = await scene.submit(key="a")
    child = await scene.submit(parent, key="a")
    assert await scene.begin() == [parent]
    await scene.end(parent)
    assert await scene.begin() == [child]


async def test_a_revived_task_waits_again_for_parents_that_are_under_way(scene: Scene) -> None:
    one, other = await scene.submit(), await scene.submit()
    child = await scene.submit(one, other)
    await scene.begin()
    await scene.end(one, move=Move.FAIL, outcome=OutcomeName.FAILED)
    await scene.grant()
    assert set(await scene.tasks.revive([one, child])) == {one, child}
    assert await scene.begin() == [one]
    await scene.end(one)
    assert await scene.begin() == []
    await scene.end(other)
    assert await scene.begin() == [child]


async def test_a_revived_task_does_not_ask_again_how_its_parents_ended(scene: Scene) -> None:
    one = await scene.submit()
    child = await scene.submit(one)
    await scene.begin()
    await scene.end(one, move=Move.FAIL, outcome=OutcomeName.FAILED)
    await scene.grant()
    await scene.tasks.revive([child])
    assert await scene.begin() == [child]
    await scene.tasks.revive([one])
    assert await scene.states([child]) == [TaskState.DISPATCHED]


async def test_a_child_that_commits_late_is_not_left_behind(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    one = await scene.submit()
    await scene.begin()
    async with open_line().lent() as own, own.transaction():
        new = NewTask(kind="call", after=(one,))
        [child] = await scene.tasks.submit([new], connection=own)
        await scene.end(one)
        assert await scene.begin() == []
    assert await scene.begin() == [child]


async def test_an_end_that_began_before_its_child_came_wakes_it(
    scene: Scene,
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
    database: Connection,
) -> None:
    """The end has its snapshot, and nothing that tells of it yet, when the child is looked at."""
    one = await scene.submit()
    lease_id = (await scene.begin(), scene.lease_of[one])[1]
    waits_first = "where (select pg_advisory_xact_lock(7)) is not null and id = any($9::uuid[])"
    ending = statement("finish_tasks").replace("where id = any($9::uuid[])", waits_first)
    assert waits_first in ending
    async with open_line().lent() as own, asyncio.TaskGroup() as group:
        await database.execute("select pg_advisory_lock(7)")
        arguments = finish_arguments(one, lease_id, scene.worker.worker_id)
        ended = group.create_task(own.fetch(ending, *arguments))
        await somebody_waits()
        child = await scene.submit(one)
        assert await scene.begin() == []
        assert await database.fetchval("select count(*) from hive.dependency_wake") == 0
        await database.execute("select pg_advisory_unlock(7)")
        assert await ended
    assert await scene.begin() == [child]


async def test_an_end_that_is_written_and_not_committed_is_waited_for(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    one = await scene.submit()
    lease_id = (await scene.begin(), scene.lease_of[one])[1]
    async with open_line().lent() as own:
        transaction = own.transaction()
        await transaction.start()
        arguments = finish_arguments(one, lease_id, scene.worker.worker_id)
        await own.fetch(statement("finish_tasks"), *arguments)
        child = await scene.submit(one)
        assert await scene.begin() == []
        await transaction.commit()
    assert await scene.begin() == [child]


async def test_two_queens_who_close_the_last_two_edges_at_once_release_the_task(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    one, two = await scene.submit(), await scene.submit()
    child = await scene.submit(one, two)
    await scene.begin()
    async with open_line().lent() as first:
        transaction = first.transaction()
        await scene.end(one)
        await transaction.start()
        await first.fetch(statement("close_dependencies"), 100, 100)
        await scene.end(two)
        assert await scene.begin() == []
        await transaction.commit()
    assert await scene.begin() == [child]


async def test_tasks_of_one_submit_name_one_another(scene: Scene) -> None:
    def new(name: str, *after: TaskId | str) -> NewTask:
        return NewTask(kind="call", name=name, after=after)

    outside = await scene.submit()
    a, b, c = await scene.tasks.submit([new("a"), new("b", "a", outside), new("c", "a", "b")])
    assert set(await scene.begin()) == {outside, a}
    await scene.end(a, outside)
    assert await scene.begin() == [b]
    await scene.end(b)
    assert await scene.begin() == [c]


async def test_a_chain_is_one_however_many_statements_it_takes(
    tasks: TaskStore, database: Connection
) -> None:
    count = 25_000
    chain = [
        NewTask(kind="call", name=f"{i}", after=(f"{i - 1}",) if i else ()) for i in range(count)
    ]
    ids = await tasks.submit(chain)
    rows = await database.fetch("select parent_id, child_id from hive.dependency order by 1")
    assert [tuple(row) for row in rows] == list(pairwise(ids))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"after": (99, 7)}, "there is no task 7, 99 to come after"),
        ({"after": (-1,)}, "there is no task -1"),
        ({"after": (2**70,)}, f"there is no task {2**70}"),
        ({"after": ("a",)}, "comes after 'a', but no task before it"),
        ({"after": ("self",), "name": "self"}, "in a circle: 'self' after 'self'"),
        ({"after": 12}, "after is a list of task ids"),
        ({"after": (True,)}, "after is a list of task ids"),
        ({"if_parent_fails": "run"}, "the task comes after no other"),
        ({"after": (1,), "if_parent_fails": "shrug"}, "is one of cancel, run, not 'shrug'"),
        ({"name": "a b"}, "a name is 1 to 200 characters"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    tasks: TaskStore, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(RefusedTaskError, match=words):
        await tasks.submit([NewTask(kind="call", **fields)])
    assert await tasks.count() == {}


async def test_two_tasks_of_one_name_are_refused(tasks: TaskStore) -> None:
    with pytest.raises(RefusedTaskError, match="two tasks of one submit have the name 'a'"):
        await tasks.submit([NewTask(kind="call", name="a")] * 2)


async def test_plain_sql_makes_a_task_come_after_another(
    scene: Scene, database: Connection
) -> None:
    one = await scene.submit()
    async with database.transaction():
        child = await database.fetchval("insert into hive.task (kind) values ('call') returning id")
        await database.execute(
            "insert into hive.dependency (child_id, parent_id) values ($1, $2)", child, one
        )
    assert await scene.begin() == [one]
    await scene.end(one)
    assert await scene.begin() == [child]


async def test_plain_sql_cannot_make_a_circle_nor_wait_for_nothing(
    scene: Scene, database: Connection
) -> None:
    one = await scene.submit()
    two = await scene.submit(one)
    insert = "insert into hive.dependency (child_id, parent_id) values ($1, $2)"
    three = await scene.submit(two)
    for late, circle in ((two, [one, two, one]), (three, [one, three, two, one]), (one, [one] * 2)):
        named = "in a circle: " + " after ".join(map(str, circle)) + "$"
        with pytest.raises(asyncpg.CheckViolationError, match=named):
            await database.execute(insert, one, late)
    alone = await scene.submit()
    with pytest.raises(
        asyncpg.CheckViolationError, match=f"task {one} cannot come after task {alone}"
    ):
        await database.execute(insert, one, alone)
    with pytest.raises(asyncpg.CheckViolationError, match="only_after_tasks_with_smaller_ids"):
        await database.execute(
            "insert into hive.dependency (child_id, parent_id, is_open) values ($1, $2, true)",
            one,
            alone,
        )
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="there is no task 0"):
        await database.execute(insert, one, 0)
    await scene.begin()
    await scene.end(one)
    await scene.begin()
    with pytest.raises(asyncpg.ForeignKeyViolationError, match=f"task {two} is not there, or"):
        await database.execute(insert, two, one)


async def test_a_wide_graph_is_closed_in_bounded_batches(
    scene: Scene, database: Connection
) -> None:
    """One before 10,000, and one after these."""
    count = 10_000
    one = await scene.submit()
    wide = [NewTask(kind="call", after=(one,), name=f"{i}") for i in range(count)]
    last = NewTask(kind="call", after=tuple(f"{i}" for i in range(count)))
    *middle, end = await scene.tasks.submit([*wide, last])
    await scene.begin()
    await scene.end(one)
    most = 0
    while taken := await scene.queen.close_dependencies(batch_size=1000):
        gates = await scene.queen.release_gates(batch_size=1000)
        most = max(most, gates.queued)
        assert taken
    assert 0 < most <= 1000
    while (await scene.queen.release_gates(batch_size=1000)).taken:
        pass
    assert set(await scene.states(middle)) == {TaskState.QUEUED}
    done = 0
    while begun := await scene.begin():
        assert begun != [end]
        await scene.end(*begun)
        done += len(begun)
        if done == count:
            break
    assert await scene.begin() == [end]
    await scene.end(end)
    assert await nothing_is_left_over(database)


async def test_a_stranded_task_is_found_counted_and_released(
    scene: Scene, database: Connection
) -> None:
    one, running = await scene.submit(), await scene.submit()
    child, waiting = await scene.submit(one), await scene.submit(one, running)
    await scene.begin()
    await scene.grant()
    await scene.end(one)
    quiet = timedelta(seconds=60)
    assert await scene.queen.wake_stranded(batch_size=1, quiet=quiet) == 0
    await database.execute("delete from hive.dependency_wake")
    await pass_time(database, 61)
    assert await scene.begin() == []
    assert await scene.queen.wake_stranded(batch_size=1, quiet=quiet) == 1
    assert await scene.begin() == [child]
    assert await scene.states([waiting]) == [TaskState.BLOCKED]
    assert await scene.queen.wake_stranded(batch_size=1, quiet=quiet) == 0
