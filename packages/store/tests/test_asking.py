"""Tasks that ask a person something: they wait, and go on with the answer."""

from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import UnknownTaskError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.retaining import Retention
from hive_contracts.selecting import Selection
from hive_contracts.states import Move, TaskState
from hive_store import Selector
from hive_store.deeds import Actor, Deed
from hive_store.exporting import export_tasks
from hive_store.granting import grant_all
from hive_store.importing import import_tasks
from hive_store.pruning import Pruner
from hive_store.submitting import HELD_UNTIL
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.ground import LEASE, Ground, open_ground
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ADA = Actor("ada", "here")


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


def ask(leased: LeasedTask, question: str = "May it go?", **changes: Any) -> Ending:
    return Ending(
        task_id=leased.task.id,
        lease_id=leased.task.lease_id,
        move=Move.ASK,
        outcome=OutcomeName.RELEASED,
        error=question,
        run_seconds=0.5,
    ).replaced(**changes)


async def asking(ground: Ground, **options: Any) -> TaskId:
    """Return a task that waits for an answer."""
    [leased] = await ground.lease(1, **options)
    [finished] = await ground.worker.finish([ask(leased, options=("yes", "no"))])
    assert finished.state is TaskState.BLOCKED
    return leased.task.id


async def lease_again(ground: Ground) -> LeasedTask:
    bundle = await ground.claim(1)
    await ground.worker.accept([bundle.lease_id], lease=LEASE)
    [leased] = await ground.worker.read([bundle.lease_id])
    return leased


async def test_who_asks_waits_uncounted_and_goes_on_with_the_answer(
    ground: Ground, database: Connection
) -> None:
    [leased] = await ground.lease(1, max_attempts=1, max_losses=0)
    task_id = leased.task.id
    await ground.worker.start([(task_id, leased.task.lease_id)])
    ending = ask(leased, options=("yes", "no"))
    [finished] = await ground.worker.finish([ending])
    assert (finished.state, finished.outcome) == (TaskState.BLOCKED, OutcomeName.RELEASED)
    assert finished.open == 0
    record = await ground.tasks.read(task_id)
    assert (record.state, record.attempt, record.failures) == (TaskState.BLOCKED, 0, 0)
    assert record.asked_at is not None
    [past], [question] = record.history, record.questions
    assert (past.outcome, past.error) == ("released", "May it go?")
    assert (question.number, question.question, question.options) == (
        1,
        "May it go?",
        ("yes", "no"),
    )
    assert question.answer is None
    # The reply was lost: nothing is asked twice.
    [again] = await ground.worker.finish([ending])
    assert again == finished._replace(queen_id=None, open=None)
    assert len((await ground.tasks.read(task_id)).questions) == 1
    assert await ground.tasks.count_orphans() == 0

    assert await ground.tasks.answer(task_id, "yes", by=ADA) is TaskState.QUEUED
    assert (await ground.tasks.read(task_id)).error is None
    leased = await lease_again(ground)
    assert (leased.task.attempt, leased.task.given_back) == (1, 1)
    await ground.worker.finish([ask(leased, "And now?")])
    await ground.tasks.answer(task_id, "whatever\0 you like", by=ADA)
    answers = await ground.worker.answers_of(task_id)
    assert [(q.number, q.answer, q.answered_by) for q in answers] == [
        (1, "yes", "ada"), (2, "whatever\\x00 you like", "ada"),
    ]  # fmt: skip
    types = await database.fetch("select type::text from hive.event order by id")
    told = [row["type"] for row in types]
    assert told[-5:] == ["asked", "unblocked", "dispatched", "asked", "unblocked"]
    deed = await database.fetchrow("select actor, what, target, details from hive.audit limit 1")
    assert deed is not None
    assert tuple(deed)[:3] == ("ada", "answer", str(task_id))


@pytest.mark.parametrize("question", ["\0" * 10_000, "\ud800" * 10_000, "ü" * 20_000])
async def test_a_question_is_kept_as_far_as_it_goes_and_asked_once(
    ground: Ground, question: str
) -> None:
    [leased] = await ground.lease(1)
    for _ in range(2):
        [finished] = await ground.worker.finish([ask(leased, question)])
        assert finished.state is TaskState.BLOCKED
    [kept] = (await ground.tasks.read(leased.task.id)).questions
    assert len(kept.question) == 10_000


async def test_only_what_is_asked_is_answered_and_only_as_it_may_be(ground: Ground) -> None:
    [queued] = await ground.submit(1, priority=5)
    task_id = await asking(ground)
    with pytest.raises(UsageError, match=f"task {queued} asks nothing: it is queued"):
        await ground.tasks.answer(queued, "yes", by=ADA)
    with pytest.raises(UsageError, match="takes one of these answers: yes, no, and not 'maybe'"):
        await ground.tasks.answer(task_id, "maybe", by=ADA)
    for nobody in (999_999, 2**70):
        with pytest.raises(UnknownTaskError):
            await ground.tasks.answer(TaskId(nobody), "yes", by=ADA)
    await ground.tasks.answer(task_id, "no", by=ADA)
    with pytest.raises(UsageError, match=f"task {task_id} asks nothing: it is queued"):
        await ground.tasks.answer(task_id, "no", by=ADA)
    [leased] = await ground.lease(1, priority=0)
    await ground.worker.finish([ask(leased)])
    for text in ("", "x" * 30_001):
        with pytest.raises(UsageError, match="1 to 30,000 characters"):
            await ground.tasks.answer(leased.task.id, text, by=ADA)


async def test_a_stale_question_is_not_asked_and_who_is_called_off_asks_nothing(
    ground: Ground, database: Connection
) -> None:
    first, second = await ground.lease(2)
    await ground.tasks.cancel([second.task.id])
    [finished] = await ground.worker.finish([ask(second)])
    assert (finished.state, finished.outcome) == (TaskState.CANCELLED, OutcomeName.CANCELLED)
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    await ground.queen.reap(batch_size=10)
    assert await ground.worker.finish([ask(first)]) == []
    assert await database.fetchval("select count(*) from hive.question") == 0


async def test_who_has_the_turn_of_its_key_keeps_it_while_it_asks(ground: Ground) -> None:
    first, second = await ground.submit(2, key="k")
    await grant_all(ground.queen, batch_size=10)
    await ground.worker.finish([ask(await lease_again(ground))])
    await grant_all(ground.queen, batch_size=10)
    assert await ground.tasks.states([first, second]) == dict.fromkeys(
        (first, second), TaskState.BLOCKED
    )
    await ground.tasks.answer(first, "yes", by=ADA)
    assert await ground.end_next() == [first]
    await grant_all(ground.queen, batch_size=10)
    assert (await ground.tasks.read(second)).state is TaskState.QUEUED


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_what_is_over_asks_nothing_and_revived_it_begins_anew(
    ground: Ground, database: Connection, how: str
) -> None:
    task_id = await asking(ground)
    if how == "cancelled":
        await ground.tasks.cancel([task_id])
    else:
        await database.execute("update hive.task set expires_at = now() + interval '60 s'")
        assert (await ground.queen.expire(batch_size=10)).count == 0
        await pass_time(database, 61)
        assert (await ground.queen.expire(batch_size=10)).ids == (task_id,)
    record = await ground.tasks.read(task_id)
    assert (record.state, record.asked_at) == (TaskState.CANCELLED, None)
    if how == "expired":
        assert record.error == "it had expired before it was answered"
    with pytest.raises(UsageError, match="asks nothing: it is cancelled"):
        await ground.tasks.answer(task_id, "yes", by=ADA)
    assert await ground.tasks.revive([task_id]) == [task_id]
    record = await ground.tasks.read(task_id)
    assert (record.state, record.asked_at) == (TaskState.QUEUED, None)
    leased = await lease_again(ground)
    await ground.worker.finish([ask(leased, "Once more?")])
    await ground.tasks.answer(task_id, "yes", by=ADA)
    assert [q.question for q in await ground.worker.answers_of(task_id)] == ["Once more?"]


async def test_who_is_parked_while_it_asks_waits_for_both(
    ground: Ground, database: Connection
) -> None:
    first, second, third = [await asking(ground) for _ in range(3)]
    await ground.tasks.park([first, second], until=None, reason=None, by=ADA)
    assert (await ground.tasks.read(first)).asked_at is not None
    assert await ground.tasks.answer(first, "yes", by=ADA) is TaskState.SCHEDULED
    assert await ground.tasks.unpark([first, second], by=ADA) == {
        first: TaskState.QUEUED, second: TaskState.BLOCKED,
    }  # fmt: skip
    await database.execute(
        "select hive.park(array[$1::bigint], clock_timestamp() + interval '60 s')", third
    )
    await pass_time(database, 61)
    await ground.queen.sweep_due(batch_size=10)
    assert (await ground.tasks.read(third)).state is TaskState.BLOCKED
    assert await ground.tasks.answer(third, "no", by=ADA) is TaskState.QUEUED


async def test_who_asks_comes_after_nobody_and_waits_for_no_sweep(
    ground: Ground, database: Connection
) -> None:
    [parent] = await ground.submit(1, queue="elsewhere")
    task_id = await asking(ground)
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="waits no more"):
        await database.execute(
            "insert into hive.dependency (child_id, parent_id) values ($1, $2)", task_id, parent
        )
    [keyed] = await ground.submit(1, key="k")
    await grant_all(ground.queen, batch_size=10)
    await ground.worker.finish([ask(await lease_again(ground))])
    for wake in ("insert into hive.key_wake (key) values ('k')", "select 1"):
        await database.execute(wake)
        await ground.queen.sweep_due(batch_size=10)
        await grant_all(ground.queen, batch_size=10)
    assert await ground.tasks.states([task_id, keyed]) == dict.fromkeys(
        (task_id, keyed), TaskState.BLOCKED
    )


async def test_who_asks_is_not_among_those_that_are_held_back(ground: Ground) -> None:
    task_id = await asking(ground, group="g")
    await ground.tasks.park([task_id], until=HELD_UNTIL, reason=None, by=ADA)
    assert await ground.tasks.release_held("g", limit=10) == []
    assert (await ground.tasks.read(task_id)).state is TaskState.SCHEDULED


async def test_those_that_ask_are_found_and_counted(ground: Ground) -> None:
    selector = Selector(ground.tasks.line)
    one = await asking(ground)
    other = await asking(ground)
    gone = await asking(ground)
    await ground.submit(2)
    await ground.tasks.cancel([gone])
    everything = Selection()
    found = await selector.page(everything, limit=10, needs_answer=True)
    assert [(task.id, task.error, task.blocked_by) for task in found] == [
        (other, "May it go?", "answer"), (one, "May it go?", "answer"),
    ]  # fmt: skip
    assert await selector.count_asking() == 2
    older = await selector.page(everything, limit=10, before=other, needs_answer=True)
    assert [task.id for task in older] == [one]
    assert not await selector.page(Selection(queue="x"), limit=10, needs_answer=True)
    blocked = [row.asking for row in await ground.queen.count_open() if row.asking]
    assert blocked == [2]


async def test_plain_sql_answers(ground: Ground, database: Connection) -> None:
    task_id = await asking(ground)
    assert await database.fetchval("select hive.answer($1, 'no')", task_id) == "queued"
    user = await database.fetchval("select session_user::text")
    assert await database.fetchval("select answered_by from hive.question") == user


async def test_questions_travel_with_their_task_and_leave_with_it(
    ground: Ground, database: Connection, database_url: str
) -> None:
    task_id = await asking(ground)
    await ground.tasks.answer(task_id, "yes", by=ADA)
    await ground.worker.finish([ask(await lease_again(ground), "And now?")])
    lines: list[bytes] = []

    async def write(piece: bytes) -> None:
        lines.extend(piece.splitlines(keepends=True))

    await export_tasks(database_url, Selection(), write=write, on_progress=lambda _: None)
    deed = Deed(actor=ADA, what="import")
    done = await import_tasks(
        database_url, lines, renumbers=True, deed=deed, on_progress=lambda _: None
    )
    [twin] = [done.ids.find(task_id)]
    assert twin is not None
    record, original = [await ground.tasks.read(TaskId(i)) for i in (twin, task_id)]
    assert record.questions == original.questions
    assert (record.state, record.asked_at) == (TaskState.BLOCKED, original.asked_at)
    assert await ground.tasks.answer(TaskId(twin), "go on", by=ADA) is TaskState.QUEUED

    await ground.tasks.cancel([task_id, TaskId(twin)])
    await pass_time(database, 8 * 86_400)
    await Pruner(ground.tasks.line).prune(Retention())
    assert await database.fetchval("select count(*) from hive.task") == 0
    assert await database.fetchval("select count(*) from hive.question") == 0
