"""Submitting: all or none, in order, and refused with the value that was wrong."""

import asyncio
import gc
import re
import weakref
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias, cast

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError, UnknownTaskError, UsageError
from hive_contracts.ids import TaskId
from hive_contracts.sizes import MAX_VALUE_BYTES
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import TaskStore, migrate, open_line, submitting
from hive_store.conditions import Names
from hive_store.refusing import FIELD_TYPES
from hive_store.submitting import BATCH_TASKS, batches_of
from hive_testkit.plugin import OwnServer
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def test_ids_rise_in_the_order_given(tasks: TaskStore) -> None:
    new = [NewTask(kind="call", payload=i, priority=(i * 7) % 5) for i in range(500)]
    ids = await tasks.submit(new)
    assert ids == sorted(ids)
    records = await tasks.read_many(ids)
    assert [record.payload for record in records] == list(range(500))
    assert await tasks.submit([]) == []


async def test_what_is_not_given_has_its_default(tasks: TaskStore) -> None:
    one, other = await tasks.submit([NewTask(kind="call"), NewTask(kind="command")])
    record = await tasks.read(one)
    assert (record.queue, record.priority, record.payload) == ("default", 0, {})
    assert (record.state, record.attempt) == (TaskState.QUEUED, 0)
    assert (record.max_attempts, record.max_losses, record.timeout) == (3, 3, None)
    assert (await tasks.read(other)).max_attempts == 1
    assert record.history == ()


async def test_what_is_given_is_kept(tasks: TaskStore) -> None:
    run_at = datetime(2031, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    given = NewTask(
        kind="agent",
        payload={"prompt": "ü\n\u2028", "n": [1, 2.5, None, True]},
        queue="back-end",
        priority=32767,
        run_at=run_at,
        max_attempts=7,
        max_losses=0,
        timeout=timedelta(days=40, microseconds=5),
        silence_timeout=timedelta(seconds=90, microseconds=5),
    )
    [task_id] = await tasks.submit([given])
    record = await tasks.read(task_id)
    assert record.state is TaskState.SCHEDULED
    kept = NewTask(
        kind=record.kind,
        payload=record.payload,
        queue=record.queue,
        priority=record.priority,
        run_at=record.run_at,
        max_attempts=record.max_attempts,
        max_losses=record.max_losses,
        timeout=record.timeout,
        silence_timeout=record.silence_timeout,
    )
    assert kept == given


async def test_a_moment_in_the_past_is_due_now(tasks: TaskStore) -> None:
    past = datetime.now(UTC) - timedelta(days=400)
    [task_id] = await tasks.submit([NewTask(kind="call", run_at=past)])
    record = await tasks.read(task_id)
    assert (record.state, record.run_at) == (TaskState.QUEUED, past)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"kind": None}, "^kind is text, not None$"),
    ({"queue": None}, "^queue is text, not None$"),
    ({"queue": b"side"}, "^queue is text, not b'side'$"),
    ({"priority": "1"}, "^priority is a whole number, not '1'$"),
    ({"priority": 1.5}, "^priority is a whole number, not 1.5$"),
    ({"priority": True}, "^priority is a whole number, not True$"),
    ({"run_at": "tomorrow"}, "^run_at is a datetime, not 'tomorrow'$"),
    ({"run_at": date(2030, 1, 1)}, r"^run_at is a datetime, not datetime.date\(2030, 1, 1\)$"),
    ({"max_attempts": 2.0}, "^max_attempts is a whole number, not 2.0$"),
    ({"max_losses": None}, "^max_losses is a whole number, not None$"),
    ({"timeout": 30}, "^timeout is a timedelta, not 30$"),
    ({"group": 5}, "^group is text, not 5$"),
    ({"group": ["g"]}, r"^group is text, not \['g'\]$"),
    ({"kind": ""}, "kind .* not ''"),
    ({"kind": "two words"}, "kind .* not 'two words'"),
    ({"kind": "k" * 201}, "kind .* not 'kkk"),
    ({"kind": "a\0b"}, r"kind .* not 'a\\x00b'"),
    ({"kind": "\ud800"}, r"kind .* not '\\ud800'"),
    ({"queue": "\t"}, r"queue .* not '\\t'"),
    ({"priority": -1}, "priority .* not -1"),
    ({"priority": 32768}, "priority .* not 32768"),
    ({"max_attempts": 0}, "max_attempts .* not 0"),
    ({"max_attempts": 10**9}, "max_attempts .* not 1000000000"),
    ({"max_losses": -2}, "max_losses .* not -2"),
    ({"max_losses": 10**9}, "max_losses .* not 1000000000"),
    ({"timeout": timedelta(0)}, "timeout .* not 0 s; leave it out for no limit"),
    ({"timeout": timedelta(seconds=-1)}, "timeout .* not -1 s"),
    ({"silence_timeout": timedelta(0)}, "a silence_timeout .* not 0 s; leave it out for no limit"),
    ({"silence_timeout": 30}, "^silence_timeout is a timedelta, not 30$"),
    ({"run_at": datetime(2030, 1, 1)}, "run_at needs a time zone: 2030-01-01"),  # noqa: DTZ001
    ({"run_at": datetime.max.replace(tzinfo=UTC)}, "run_at .* not 9999-12-31"),
    ({"payload": {"x": float("nan")}}, "payload of a call task: .*not JSON compliant"),
    ({"payload": {"x": "\0"}}, "payload of a call task: .*NUL"),
    ({"payload": "\ud800"}, "payload of a call task: it holds text that is not UTF-8"),
    ({"payload": object()}, "payload of a call task: .*object"),
]


@pytest.mark.parametrize(("fields", "words"), REFUSED)
async def test_a_refusal_names_the_field_and_its_value_and_lets_nothing_in(
    fields: dict[str, Any], words: str, tasks: TaskStore
) -> None:
    wrong = replace(NewTask(kind="call"), **fields)
    with pytest.raises(RefusedTaskError, match=words):
        await tasks.submit([NewTask(kind="call"), wrong, NewTask(kind="call")])
    assert await tasks.count() == {}


class Urgency(IntEnum):
    HIGH = 2


class Line(StrEnum):
    SIDE = "side"


async def test_a_type_that_is_made_of_the_one_wanted_will_do(tasks: TaskStore) -> None:
    [task_id] = await tasks.submit([NewTask(kind="call", queue=Line.SIDE, priority=Urgency.HIGH)])
    record = await tasks.read(task_id)
    assert (record.queue, record.priority) == ("side", 2)


@pytest.mark.parametrize("number", [True, 1.0])
async def test_a_number_that_merely_equals_the_one_before_is_refused(
    tasks: TaskStore, number: object
) -> None:
    alike = [NewTask(kind="call", priority=1)] * 3
    wrong = NewTask(kind="call", priority=cast("int", number))
    with pytest.raises(RefusedTaskError, match="priority is a whole number"):
        await tasks.submit([*alike, wrong, *alike])


async def test_tasks_that_are_alike_but_for_their_payloads_are_stored_as_one_by_one(
    tasks: TaskStore,
) -> None:
    run_at = datetime.now(UTC) + timedelta(hours=1)
    late = NewTask(
        kind="call", queue="late", priority=3, run_at=run_at, max_attempts=2, max_losses=1,
        timeout=timedelta(minutes=1), group="night",
    )  # fmt: skip
    given = [
        *(replace(late, payload=place) for place in range(BATCH_TASKS + 2)),
        NewTask(kind="command", payload="between"),
        *(replace(late, payload=place, priority=4) for place in range(3)),
    ]
    task_ids = await tasks.submit(given)
    records = {record.id: record for record in await tasks.read_many(task_ids)}
    for task_id, task in zip(task_ids, given, strict=True):
        stored = records[task_id]
        for name in ("kind", "payload", "queue", "priority", "max_losses", "timeout", "group"):
            assert getattr(stored, name) == getattr(task, name)
        if task.run_at is not None:
            assert (stored.run_at, stored.max_attempts) == (task.run_at, task.max_attempts)


def test_every_field_but_the_payload_is_held_to_a_type() -> None:
    assert [*FIELD_TYPES] == [field.name for field in fields(NewTask) if field.name != "payload"]


async def test_a_payload_over_the_cap_is_told_to_go_into_a_file(tasks: TaskStore) -> None:
    largest = "x" * (MAX_VALUE_BYTES - 2)
    [task_id] = await tasks.submit([NewTask(kind="call", payload=largest)])
    assert (await tasks.read(task_id)).payload == largest
    with pytest.raises(RefusedTaskError, match=r"1,048,577 bytes; at most 1,048,576 .*file"):
        await tasks.submit([NewTask(kind="call", payload=largest + "x")])


async def test_the_cap_is_on_what_was_written_not_on_what_postgres_makes_of_it(
    tasks: TaskStore,
) -> None:
    """As jsonb, a list of small numbers takes six times its text."""
    numbers = [1] * (MAX_VALUE_BYTES // 2 - 1)
    [task_id] = await tasks.submit([NewTask(kind="call", payload=numbers)])
    assert (await tasks.read(task_id)).payload == numbers


async def test_the_tables_own_limits_hold_for_plain_sql_too(database: Connection) -> None:
    for column, value, rule in (
        ("priority", "-1", "a_priority_is_from_0_most_urgent_to_32767"),
        ("queue", "''", "a_queue_has_a_name_of_at_most_200_characters"),
        ("timeout", "interval '0'", "a_timeout_is_positive"),
        ("silence_timeout", "interval '0'", "a_silence_timeout_is_positive"),
        ("state", "'running'", "only_dispatched_and_running_tasks_are_leased"),
        ("state", "'failed'", "only_ended_tasks_have_finished"),
        ("payload", "to_jsonb(repeat('x', 9000000))", "at_most_8_mebibytes"),
    ):
        with pytest.raises(asyncpg.CheckViolationError, match=rule):
            await database.execute(
                f"insert into hive.task (kind, {column}) values ('call', {value})"
            )


async def test_an_unknown_task_is_named(tasks: TaskStore) -> None:
    with pytest.raises(UnknownTaskError, match="there is no task 77"):
        await tasks.read(TaskId(77))
    assert await tasks.read_many([TaskId(77)]) == []
    assert await tasks.read_ended([TaskId(77)]) == []
    assert await tasks.cancel([TaskId(77)]) == {}


@pytest.mark.parametrize("wrong", ["5", 1.0, True, None, [1]])
async def test_an_id_that_is_no_whole_number_is_refused_whatever_is_asked(
    wrong: Any, tasks: TaskStore
) -> None:
    words = re.escape(f"the id of a task is a whole number, not {wrong!r}")
    for asked in (tasks.read_many, tasks.read_ended, tasks.find_unknown, tasks.states):
        with pytest.raises(UsageError, match=words):
            await asked([TaskId(1), wrong])
    for done in (tasks.cancel, tasks.revive):
        with pytest.raises(UsageError, match=words):
            await done([TaskId(1), wrong])
    with pytest.raises(UsageError, match=words):
        await tasks.read(wrong)


async def test_ids_that_no_task_has_are_told(tasks: TaskStore) -> None:
    known = await tasks.submit([NewTask(kind="call")] * 2)
    unknown = [TaskId(77), TaskId(2**70)]
    assert set(await tasks.find_unknown([*known, *unknown])) == set(unknown)
    assert await tasks.find_unknown(known) == []


def test_a_batch_is_full_at_a_number_of_tasks_or_of_bytes() -> None:
    small, large = NewTask(kind="call"), NewTask(kind="call", payload="x" * (MAX_VALUE_BYTES - 2))

    def sizes(new: list[NewTask]) -> list[int]:
        return [len(batch.columns[1]) for batch in batches_of(new, Names())]

    assert sizes([small] * (2 * BATCH_TASKS)) == [BATCH_TASKS, BATCH_TASKS]
    assert sizes([small] * (BATCH_TASKS + 1)) == [BATCH_TASKS, 1]
    assert sizes([large] * 17) == [8, 8, 1]
    assert sizes([]) == []


def test_a_batch_is_made_when_it_is_asked_for_and_not_before() -> None:
    """So what is being sent, and the next, are all that is held beside the tasks themselves."""
    new = [NewTask(kind="call")] * BATCH_TASKS + [NewTask(kind="call", priority=-1)]
    batches = batches_of(new, Names())
    next(batches)
    with pytest.raises(RefusedTaskError, match="not -1"):
        next(batches)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        (None, "made sent made answered sent made answered sent answered"),
        ("first", "made sent answered made sent answered made sent answered"),
    ],
)
async def test_the_next_batch_is_made_while_one_is_sent_unless_it_may_need_its_ids(
    name: str | None, steps: str, tasks: TaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    make, send = submitting._batch, submitting._send_batch  # pyright: ignore[reportPrivateUsage]

    def watched_make(*arguments: Any, **more: Any) -> submitting.Batch:
        seen.append("made")
        return make(*arguments, **more)

    async def watched_send(*arguments: Any) -> list[Any]:
        seen.append("sent")
        rows = await send(*arguments)
        seen.append("answered")
        return rows

    monkeypatch.setattr(submitting, "_batch", watched_make)
    monkeypatch.setattr(submitting, "_send_batch", watched_send)
    for constant in ("BATCH_TASKS", "BOUND_BATCH_TASKS"):
        monkeypatch.setattr(submitting, constant, 2)
    new = [NewTask(kind="call", payload=place) for place in range(6)]
    await tasks.submit([replace(new[0], name=name), *new[1:]])
    assert " ".join(seen) == steps


async def test_what_is_refused_while_another_batch_is_sent_is_kept_by_nobody(
    tasks: TaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "BATCH_TASKS", 2)
    refused = NewTask(kind="call", priority=-1)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(RefusedTaskError, match="not -1") as caught:
            await tasks.submit([*[NewTask(kind="call")] * 5, refused])
        error = weakref.ref(caught.value)
        del caught
        assert error() is None
    finally:
        gc.enable()
    assert await tasks.count() == {}


async def test_who_is_cancelled_in_a_transaction_does_not_wait_for_a_server_that_is_frozen(
    own_postgres: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(own_postgres.url)
    monkeypatch.setattr(submitting, "BATCH_TASKS", 2)
    async with open_line(own_postgres.url) as line:
        holder = await asyncpg.connect(own_postgres.url)

        async def somebody_waits() -> bool:
            return await holder.fetchval("select exists(select from pg_locks where not granted)")

        async with holder.transaction(), asyncio.TaskGroup() as group:
            await holder.execute("lock table hive.event in exclusive mode")
            submit = group.create_task(TaskStore(line).submit([NewTask(kind="call")] * 5))
            await until(somebody_waits)
            own_postgres.pause()
            try:
                submit.cancel()
                await until(submit.done)
            finally:
                own_postgres.resume()
            assert submit.cancelled()
        await holder.close()
        assert await TaskStore(line).count() == {}


async def test_a_submit_leaves_room_in_the_index_by_id(database: Connection) -> None:
    """Each task is entered there twice more, when it is claimed and when it ends."""
    size = "select pg_relation_size('hive.task_pkey')"
    await database.execute("insert into hive.task (kind) select 'x' from generate_series(1, 50000)")
    with_room = await database.fetchval(size)
    await database.execute("alter index hive.task_pkey set (fillfactor = 90)")
    await database.execute("reindex index hive.task_pkey")
    assert with_room > 1.5 * await database.fetchval(size)
