"""Tasks of one key: one turn at a time, in the order submitted, whatever becomes of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask, WhenBusy
from hive_store import Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.queen_findings import Grants
from hive_store.statements import statement
from hive_store.worker_store import Ending
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MINUTE = timedelta(minutes=1)


class Scene:
    """A queen and a worker who do what is there to do, when they are told."""

    def __init__(self, tasks: TaskStore, queen: QueenStore, worker: WorkerStore) -> None:
        self.tasks = tasks
        self.queen = queen
        self.worker = worker
        self.lease_of: dict[TaskId, LeaseId] = {}

    async def submit(self, *keys: str | None, when_busy: str = WhenBusy.WAIT) -> list[TaskId]:
        new = [NewTask(kind="call", key=key, when_busy=when_busy) for key in keys]
        return await self.tasks.submit(new)

    async def grant(self) -> int:
        granted = 0
        while (grants := await self.queen.grant_turns(batch_size=100)).taken:
            granted += grants.granted
        return granted

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

    async def end(self, task_id: TaskId, move: Move, outcome: OutcomeName) -> None:
        ending = Ending(
            task_id=task_id, lease_id=self.lease_of[task_id], move=move, outcome=outcome
        )
        assert await self.worker.finish([ending])

    async def succeed(self, task_id: TaskId) -> None:
        await self.end(task_id, Move.SUCCEED, OutcomeName.SUCCEEDED)

    async def states(self, task_ids: Sequence[TaskId]) -> list[TaskState]:
        found = await self.tasks.states(task_ids)
        return [found[task_id] for task_id in task_ids]


@pytest.fixture
def scene(tasks: TaskStore, queen: QueenStore, worker: WorkerStore) -> Scene:
    return Scene(tasks, queen, worker)


async def test_tasks_of_a_key_run_one_after_another_in_the_order_submitted(scene: Scene) -> None:
    one, two, three = await scene.submit("a", "a", "a")
    for task_id in (one, two, three):
        assert await scene.begin() == [task_id]
        assert await scene.begin() == []
        await scene.succeed(task_id)
    assert await scene.begin() == []


async def test_different_keys_and_tasks_without_one_run_side_by_side(scene: Scene) -> None:
    a1, b1, free, a2, b2 = await scene.submit("a", "b", None, "a", "b")
    assert set(await scene.begin()) == {a1, b1, free}
    await scene.succeed(b1)
    assert await scene.begin() == [b2]
    assert await scene.states([a2]) == [TaskState.BLOCKED]


@pytest.mark.parametrize(
    ("move", "outcome"),
    [
        (Move.RETRY, OutcomeName.FAILED),
        (Move.RELEASE, OutcomeName.RELEASED),
        (Move.POSTPONE, OutcomeName.RELEASED),
    ],
)
async def test_a_task_that_will_run_again_keeps_its_turn(
    scene: Scene, move: Move, outcome: OutcomeName
) -> None:
    one, two = await scene.submit("a", "a")
    await scene.begin()
    await scene.end(one, move, outcome)
    await scene.queen.sweep_due(batch_size=10)
    assert await scene.begin() == [one]
    assert await scene.states([two]) == [TaskState.BLOCKED]


@pytest.mark.parametrize(
    ("move", "outcome"),
    [(Move.FAIL, OutcomeName.FAILED), (Move.CANCEL, OutcomeName.CANCELLED)],
)
async def test_any_end_gives_the_turn_to_the_next(
    scene: Scene, move: Move, outcome: OutcomeName
) -> None:
    one, two = await scene.submit("a", "a")
    await scene.begin()
    await scene.end(one, move, outcome)
    assert await scene.begin() == [two]


async def test_a_task_called_off_while_it_has_the_turn_gives_it_on(scene: Scene) -> None:
    one, two, three = await scene.submit("a", "a", "a")
    await scene.grant()
    await scene.tasks.cancel([one, two])
    assert await scene.begin() == [three]
    assert await scene.states([one, two]) == [TaskState.CANCELLED] * 2


async def test_a_lost_worker_keeps_the_turn_until_its_task_has_failed_for_good(
    scene: Scene, database: Connection
) -> None:
    [one] = await scene.tasks.submit([NewTask(kind="call", key="a", max_losses=0)])
    [two] = await scene.submit("a")
    await scene.begin()
    await scene.worker.start([(one, scene.lease_of[one])])
    await pass_time(database, 61)
    assert await scene.begin() == []
    await scene.queen.reap(batch_size=10)
    assert await scene.states([one]) == [TaskState.FAILED]
    assert await scene.begin() == [two]


async def test_a_revived_task_lines_up_by_when_it_was_submitted(scene: Scene) -> None:
    one, two, three = await scene.submit("a", "a", "a")
    await scene.begin()
    await scene.end(one, Move.FAIL, OutcomeName.FAILED)
    assert await scene.begin() == [two]
    assert await scene.tasks.revive([one]) == [one]
    assert await scene.begin() == []
    await scene.succeed(two)
    assert await scene.begin() == [one]
    await scene.succeed(one)
    assert await scene.begin() == [three]


async def test_a_task_for_later_lines_up_when_it_is_due_and_holds_nobody_up_before(
    scene: Scene, database: Connection
) -> None:
    [later] = await scene.tasks.submit(
        [NewTask(kind="call", key="a", run_at=datetime.now(UTC) + timedelta(seconds=30))]
    )
    [one] = await scene.submit("a")
    assert await scene.begin() == [one]
    await pass_time(database, 31)
    await scene.queen.sweep_due(batch_size=10)
    assert await scene.states([later]) == [TaskState.BLOCKED]
    assert await scene.begin() == []
    await scene.succeed(one)
    assert await scene.begin() == [later]


async def test_an_expired_task_is_cancelled_wherever_it_waits(
    scene: Scene, database: Connection
) -> None:
    soon, later = (datetime.now(UTC) + timedelta(seconds=s) for s in (30, 90))
    waiting = [
        NewTask(kind="call", key="a", expires_at=soon),
        NewTask(kind="call", key="a", expires_at=soon),
        NewTask(kind="call", expires_at=soon),
        NewTask(kind="call", expires_at=soon, run_at=later),
    ]
    expired = await scene.tasks.submit(waiting)
    [kept] = await scene.tasks.submit([NewTask(kind="call", key="a", expires_at=later)])
    await scene.grant()
    first = await scene.queen.expire(batch_size=10)
    assert (first.count, 20 < (first.next_seconds or 0) <= 30) == (0, True)
    await pass_time(database, 31)
    assert (await scene.queen.expire(batch_size=3)).count == 3
    assert (await scene.queen.expire(batch_size=3)).count == 1
    assert await scene.states(expired) == [TaskState.CANCELLED] * 4
    assert (await scene.tasks.read(expired[0])).error == "it had expired before it could start"
    assert await scene.begin() == [kept]
    await pass_time(database, 100)
    assert (await scene.queen.expire(batch_size=3)).count == 0


async def test_an_expired_task_that_is_revived_expires_no_more_and_another_when_it_was_to(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    soon = datetime.now(UTC) + MINUTE
    expired, called_off = await tasks.submit(
        [NewTask(kind="call", expires_at=soon), NewTask(kind="call", expires_at=soon + MINUTE)]
    )
    await tasks.cancel([called_off])
    await pass_time(database, 61)
    assert (await queen.expire(batch_size=10)).count == 1
    assert await tasks.revive([expired, called_off]) == [expired, called_off]
    assert (await queen.expire(batch_size=10)).count == 0
    assert (await tasks.read(expired)).state is TaskState.QUEUED
    await pass_time(database, 60)
    assert (await queen.expire(batch_size=10)).count == 1
    assert await tasks.states([expired, called_off]) == {
        expired: TaskState.QUEUED, called_off: TaskState.CANCELLED,
    }  # fmt: skip


async def test_a_task_inserted_by_plain_sql_gets_in_line(
    scene: Scene, database: Connection
) -> None:
    [one] = await scene.submit("a")
    two = await database.fetchval(
        "insert into hive.task (kind, key) values ('call', 'a') returning id"
    )
    assert await scene.begin() == [one]
    await scene.succeed(one)
    assert await scene.begin() == [two]


async def test_a_late_commit_of_an_earlier_task_overlaps_nothing(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    async with open_line().lent() as own, own.transaction():
        [early] = await scene.tasks.submit([NewTask(kind="call", key="a")], connection=own)
        [late] = await scene.submit("a")
        assert early < late
        assert await scene.begin() == [late]
    assert await scene.begin() == []
    await scene.succeed(late)
    assert await scene.begin() == [early]


async def test_what_is_rolled_back_holds_nobody_up(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    async with open_line().lent() as own:
        transaction = own.transaction()
        await transaction.start()
        await scene.tasks.submit([NewTask(kind="call", key="a")], connection=own)
        await transaction.rollback()
    [one] = await scene.submit("a")
    assert await scene.begin() == [one]


async def test_two_queens_that_grant_one_key_at_once_give_one_turn(
    scene: Scene, open_queen: Callable[[], QueenStore], open_line: Callable[[], Line]
) -> None:
    """The second passes over the head that the first holds, and looks again later."""
    one, two = await scene.submit("a", "a")
    await scene.submit("a")
    async with open_line().lent() as first:
        transaction = first.transaction()
        await transaction.start()
        # Of the wake-ups of one key each queen takes one: this holds the first alone.
        await first.fetch(statement("grant_turns"), 1)
        assert await open_queen().grant_turns(batch_size=1) == Grants(0, 0)
        await transaction.commit()
    assert await open_queen().grant_turns(batch_size=1) == Grants(1, 0)
    assert await scene.begin() == [one]
    await scene.succeed(one)
    assert await scene.begin() == [two]


async def test_of_two_queens_that_see_different_heads_of_one_key_one_gives_the_turn(
    scene: Scene,
    open_queen: Callable[[], QueenStore],
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    """The second waits for the first on the unique index, is refused, and finds the turn taken."""
    async with (
        open_line().lent() as slow,
        open_line().lent() as first,
        asyncio.TaskGroup() as group,
    ):
        submit, grant = slow.transaction(), first.transaction()
        await submit.start()
        [early] = await scene.tasks.submit([NewTask(kind="call", key="a")], connection=slow)
        [late] = await scene.submit("a")
        await grant.start()
        await first.fetch(statement("grant_turns"), 10)
        await submit.commit()
        second = group.create_task(open_queen().grant_turns(batch_size=10))
        await somebody_waits()
        await grant.commit()
        assert await second == Grants(1, 0)
    assert await scene.begin() == [late]
    await scene.succeed(late)
    assert await scene.begin() == [early]


LEAVE = {
    "called off": (
        "update hive.task set state = 'cancelled', outcome = 'cancelled', finished_at = now()"
        " where id = $1"
    ),
    "parked": "select hive.park(array[$1::bigint])",
    "made to come after another": (
        "insert into hive.dependency (child_id, parent_id)"
        " select $1::bigint, id from hive.task where kind = 'parent'"
    ),
}


@pytest.mark.parametrize("leave", LEAVE)
async def test_a_head_that_somebody_holds_holds_up_its_own_line_alone_and_no_wake_is_lost(
    scene: Scene, open_line: Callable[[], Line], leave: str
) -> None:
    soon = datetime.now(UTC) + MINUTE
    await scene.tasks.submit([NewTask(kind="parent", run_at=soon)])
    running, head, following = await scene.submit("a", "a", "a")
    assert await scene.begin() == [running]
    await scene.succeed(running)
    async with open_line().lent() as own, own.transaction():
        await own.execute(LEAVE[leave], head)
        [other] = await scene.submit("b")
        assert await scene.begin() == [other]
    # Who comes after another keeps its place in the line.
    is_gone = leave != "made to come after another"
    assert await scene.begin() == ([following] if is_gone else [])
    record = await scene.tasks.read(following)
    assert record.state is (TaskState.DISPATCHED if is_gone else TaskState.BLOCKED)


async def test_replace_cancels_those_that_wait_and_waits_for_the_one_that_runs(
    scene: Scene,
) -> None:
    running, waiting = await scene.submit("a", "a")
    await scene.begin()
    [new] = await scene.submit("a", when_busy="replace")
    assert await scene.states([running, waiting]) == [TaskState.DISPATCHED, TaskState.CANCELLED]
    assert (await scene.tasks.read(running)).cancel_requested_at is None
    assert await scene.begin() == []
    await scene.succeed(running)
    assert await scene.begin() == [new]


async def test_replace_leaves_alone_what_is_being_claimed_at_that_moment(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    [one] = await scene.submit("a")
    await scene.grant()
    parts = Watermarks().intervals()
    claim = (
        statement("claim_tasks"), uuid4(), "default", 1, 60.0, 1, 1,
        parts.after_priorities, parts.after_run_ats, parts.after_ids, parts.last_priorities, "",
    )  # fmt: skip
    async with asyncio.TaskGroup() as group, open_line().lent() as own, own.transaction():
        await own.fetch(*claim)
        submit = group.create_task(scene.submit("a", when_busy="replace"))
        # Who waited for the claim to commit would call its task off then.
        await asyncio.wait({submit}, timeout=0.5)
    record = await scene.tasks.read(one)
    assert (record.state, record.cancel_requested_at) == (TaskState.DISPATCHED, None)


async def test_cancel_is_refused_while_a_transaction_holds_what_it_would_call_off(
    scene: Scene, open_line: Callable[[], Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_store.making_way.PAUSE_SECONDS", 0)
    [one] = await scene.submit("a")
    async with open_line().lent() as own, own.transaction():
        await own.fetch(statement("lock_waiting_tasks"), [one])
        with pytest.raises(
            RefusedTaskError, match=f"task {one}, .* is held by an open transaction"
        ):
            await scene.submit("a", when_busy="cancel")
    assert len((await scene.tasks.count())["default"]) == 1


async def test_cancel_calls_off_all_and_starts_when_nothing_of_them_is_left(scene: Scene) -> None:
    running, waiting = await scene.submit("a", "a")
    await scene.begin()
    told: list[TaskId] = []
    new = NewTask(kind="call", key="a", when_busy="cancel")
    [new_id] = await scene.tasks.submit([new], on_called_off=told.extend)
    assert told == [running]
    assert await scene.states([waiting]) == [TaskState.CANCELLED]
    assert (await scene.tasks.read(running)).cancel_requested_at is not None
    assert await scene.begin() == []
    await scene.end(running, Move.CANCEL, OutcomeName.CANCELLED)
    assert await scene.begin() == [new_id]


async def test_reject_refuses_a_busy_key_and_names_its_task(scene: Scene) -> None:
    [one] = await scene.submit("a", when_busy="reject")
    with pytest.raises(RefusedTaskError, match=f"the key 'a' is busy: task {one} has it"):
        await scene.submit("a", when_busy="reject")
    await scene.begin()
    await scene.succeed(one)
    assert len(await scene.submit("a", when_busy="reject")) == 1


async def test_of_many_who_want_a_free_key_for_themselves_one_gets_it(
    open_line: Callable[[], Line],
) -> None:
    async def attempt() -> bool:
        try:
            await TaskStore(open_line()).submit([NewTask(kind="call", key="a", when_busy="reject")])
        except RefusedTaskError:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        attempts = [group.create_task(attempt()) for _ in range(16)]
    assert sum(each.result() for each in attempts) == 1


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (NewTask(kind="call", key="a b"), "a key is 1 to 200 characters"),
        (NewTask(kind="call", key="a", when_busy="steal"), "when_busy is one of wait, replace"),
        (NewTask(kind="call", when_busy="replace"), "the task has no key"),
        (NewTask(kind="call", expires_at=datetime(2030, 1, 1)), "needs a time zone"),  # noqa: DTZ001
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    tasks: TaskStore, task: NewTask, words: str
) -> None:
    with pytest.raises(RefusedTaskError, match=words):
        await tasks.submit([task])


async def test_rivals_in_one_submit_are_refused(tasks: TaskStore) -> None:
    rivals = [NewTask(kind="call", key="a", when_busy="replace")] * 2
    with pytest.raises(RefusedTaskError, match="only one of them could stay"):
        await tasks.submit(rivals)
