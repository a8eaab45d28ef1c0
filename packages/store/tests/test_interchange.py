"""What is exported comes back as it was, but for its ids: all of it, or nothing."""

import asyncio
import base64
import json
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, Final, TypeAlias

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.errors import ConfigurationError, SchemaMismatchError
from hive_contracts.execution import Stream
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.selecting import Selection
from hive_contracts.states import Move, TaskState
from hive_store import EventLog, TaskStore, open_line
from hive_store.deeds import Actor, Deed
from hive_store.exporting import Exported, export_tasks
from hive_store.importing import Imported, import_tasks
from hive_store.interchange import Ids
from hive_store.migrating import LATEST
from hive_store.queen_findings import Grants
from hive_store.worker_store import Ending, Piece
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import fresh_database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Story: TypeAlias = list[dict[str, Any]]

DEED = Deed(actor=Actor("somebody", "here"), what="import")
AWKWARD: Final = {"text": "tab\t, \\N, line\nbreak, é, 日本", "number": 10**30, "none": None}

WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
TASKS = st.fixed_dictionaries(
    {
        "kind": WORDS,
        "queue": WORDS,
        "payload": VALUES,
        "priority": st.integers(0, 32767),
        "state": st.sampled_from(["queued", "scheduled", "succeeded", "failed", "cancelled"]),
        "result": st.none() | VALUES,
        "error": st.none() | WORDS,
        "group": st.none() | WORDS,
        "timeout": st.none() | st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)),
        "output": st.lists(st.binary(min_size=1, max_size=40), max_size=3),
        "attempts": st.integers(0, 2),
        "gap": st.integers(0, 3),
    }
)


@pytest.fixture
def other_url(postgres_server: str, postgres_template: str) -> Generator[str]:
    """Another database of the same server, migrated and empty."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


async def exported(
    url: str, selection: Selection | None = None, **options: Any
) -> tuple[Exported, list[bytes]]:
    """Export; return what was said of it, and the lines."""
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    done = await export_tasks(
        url, selection or Selection(), write=write, on_progress=lambda _: None, **options
    )
    return done, b"".join(pieces).splitlines(keepends=True)


async def imported(url: str, lines: list[bytes], *, renumbers: bool = False) -> Imported:
    return await import_tasks(
        url, lines, renumbers=renumbers, deed=DEED, on_progress=lambda _: None
    )


def plain(lines: list[bytes]) -> list[Any]:
    """The records without what the moment gives them, with tasks numbered from 1."""
    records = [json.loads(line, parse_float=str) for line in lines[1:]]
    ids = [record["row"]["id"] for record in records if record["type"] == "task"]
    number = {task_id: place for place, task_id in enumerate(ids, start=1)}
    for record in records:
        row = record["row"]
        for name in ("id", "task_id"):
            if row.get(name) is not None:
                row[name] = number[row[name]]
        if row.get("task_ids") is not None:
            row["task_ids"] = [number[task_id] for task_id in row["task_ids"]]
    return records


async def tell(database: Connection, story: Story) -> None:
    """Put tasks into a database, with all that belongs to them."""
    await database.execute(
        "truncate hive.task, hive.attempt, hive.output, hive.event, hive.lease, hive.audit"
    )
    ids: list[int] = []
    for task in story:
        for _ in range(task["gap"]):
            await database.fetchval("select nextval('hive.task_id_seq')")
        is_over = task["state"] in ("succeeded", "failed", "cancelled")
        task_id = await database.fetchval(
            "insert into hive.task (kind, queue, payload, priority, state, result, error,"
            " group_name, timeout, finished_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
            " case when $10 then clock_timestamp() end) returning id",
            task["kind"], task["queue"], json.dumps(task["payload"]), task["priority"],
            task["state"], None if task["result"] is None else json.dumps(task["result"]),
            task["error"], task["group"], task["timeout"], is_over,
        )  # fmt: skip
        ids.append(task_id)
        position = 0
        for data in task["output"]:
            await database.execute(
                "insert into hive.output (task_id, claim, stream, position, data)"
                " values ($1, 1, 'stdout', $2, $3)",
                task_id, position, data,
            )  # fmt: skip
            position += len(data)
        for number in range(1, task["attempts"] + 1):
            await database.execute(
                "insert into hive.attempt (task_id, claim, attempt, outcome, error, lease_id)"
                " values ($1, $2, $2, 'failed', $3, gen_random_uuid())",
                task_id, number, task["error"],
            )  # fmt: skip
            await database.execute(
                "insert into hive.event (type, task_id, attempt, reason)"
                " values ('retried', $1, $2, $3)",
                task_id, number, task["error"],
            )  # fmt: skip
    if ids:
        await database.execute(
            "insert into hive.event (type, task_ids) values ('queued', $1)", [*ids, 10**12]
        )


async def contents(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        return {
            table: await connection.fetchval(f"select count(*) from hive.{table}")
            for table in ("task", "attempt", "output", "event")
        }
    finally:
        await connection.close()


async def succeed(ground: Ground, count: int) -> list[TaskId]:
    """Lease tasks, have each write something, and end them."""
    done: list[TaskId] = []
    for leased in await ground.lease(count, payload=AWKWARD):
        task = leased.task
        await ground.worker.start([(task.id, task.lease_id)])
        piece = Piece(
            task_id=task.id,
            lease_id=task.lease_id,
            stream=Stream.STDOUT,
            position=0,
            data=bytes(range(256)),
        )
        await ground.worker.append_output([piece])
        ending = Ending(
            task_id=task.id,
            lease_id=task.lease_id,
            move=Move.SUCCEED,
            outcome=OutcomeName.SUCCEEDED,
            result='{"answer": 42}',
        )
        await ground.worker.finish([ending])
        done.append(task.id)
    return done


@given(story=st.lists(TASKS, max_size=6))
def test_export_import_export_is_the_same_but_for_the_ids(
    database_url: str, other_url: str, story: Story
) -> None:
    async def check() -> None:
        database, other = await asyncpg.connect(database_url), await asyncpg.connect(other_url)
        try:
            await tell(database, story)
            await tell(other, [])
            done, first = await exported(database_url)
            assert done.counts["task"] == len(story)
            came = await imported(other_url, first, renumbers=True)
            assert came.counts == done.counts
            _, second = await exported(other_url)
            assert plain(second) == plain(first)
        finally:
            await database.close()
            await other.close()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(check())


async def test_what_is_imported_is_read_as_it_was(database_url: str, other_url: str) -> None:
    async with open_ground(database_url) as ground:
        done = await succeed(ground, 2)
        queued = await ground.submit(2, payload=AWKWARD)
        before = await ground.tasks.read_many([*done, *queued])
    _, lines = await exported(database_url)
    came = await imported(other_url, lines)
    assert came.are_ids_kept
    async with open_ground(other_url) as ground:
        assert await ground.tasks.read_many([*done, *queued]) == before
        pieces = await ground.tasks.read_output(done[0])
        assert b"".join(piece.data for piece in pieces) == bytes(range(256))
        assert (await ground.submit(1))[0] > queued[-1], "no id is given twice"
        assert (await ground.claim(3)).size == 3
    async with open_line(other_url) as line:
        events = await EventLog(line).of_task(done[0])
        assert [str(event.type) for event in events][-2:] == ["started", "succeeded"]


async def test_ids_that_are_not_free_are_given_anew_and_the_mapping_is_told(
    database_url: str, other_url: str
) -> None:
    async with open_ground(database_url) as ground:
        old = await ground.submit(3)
    _, lines = await exported(database_url)
    async with open_ground(other_url) as ground:
        there = await ground.submit(2)
        came = await imported(other_url, lines)
        assert not came.are_ids_kept
        assert came.ids.runs() == [(old[0], old[2], there[1] + 1)]
        assert await ground.tasks.count() == {"default": {TaskState.QUEUED: 5}}
    again = await imported(other_url, lines)
    assert again.ids.find(old[0]) == there[1] + 4


async def test_what_was_leased_is_queued_again_or_has_failed_as_after_a_restore(
    database_url: str, other_url: str
) -> None:
    async with open_ground(database_url) as ground:
        [sent] = (await ground.lease(1))[:1]
        [started] = await ground.lease(1)
        [poison] = await ground.lease(1, max_losses=0)
        [off] = await ground.lease(1)
        pairs = [(each.task.id, each.task.lease_id) for each in (started, poison, off)]
        await ground.worker.start(pairs)
        await ground.tasks.cancel([off.task.id])
    _, lines = await exported(database_url)
    async with open_ground(other_url) as ground:
        # A task of this Hive that is leased is no business of the import.
        [own] = await ground.lease(1)
        came = await imported(other_url, lines)
        assert (came.queued, came.failed, came.cancelled) == (2, 1, 1)
        new = [TaskId(came.ids.find(i.task.id) or 0) for i in (sent, started, poison, off)]
        states = await ground.tasks.states(new)
        assert [states[task_id] for task_id in new] == [
            TaskState.QUEUED,
            TaskState.QUEUED,
            TaskState.FAILED,
            TaskState.CANCELLED,
        ]
        record = await ground.tasks.read(new[2])
        assert record.error == "it was running when the export was made (it may not run again)"
        assert await ground.tasks.states([own.task.id]) == {own.task.id: TaskState.DISPATCHED}
        assert await ground.queen.count_orphans() == 0


@pytest.mark.parametrize("renumbers", [False, True])
async def test_tasks_of_a_key_that_waited_for_their_turn_get_it_here(
    database_url: str, other_url: str, renumbers: bool
) -> None:
    async with open_ground(database_url) as ground:
        old = await ground.submit(2, key="k")
    _, lines = await exported(database_url)
    async with open_ground(other_url) as ground:
        if renumbers:
            await ground.submit(5)
        came = await imported(other_url, lines, renumbers=renumbers)
        one, two = [TaskId(came.ids.find(task_id) or 0) for task_id in old]
        assert await ground.queen.grant_turns(batch_size=10) == Grants(1, 1)
        assert await ground.tasks.states([one, two]) == {
            one: TaskState.QUEUED, two: TaskState.BLOCKED,
        }  # fmt: skip


async def test_an_export_of_some_tasks_has_what_is_theirs_alone(database_url: str) -> None:
    async with open_ground(database_url) as ground:
        await succeed(ground, 2)
        [chosen] = await ground.submit(1, queue="other")
        await ground.submit(3)
        _, by_queue = await exported(database_url, Selection(queue="other"))
        _, by_state = await exported(
            database_url, Selection(states=frozenset({TaskState.SUCCEEDED}))
        )
        _, by_id = await exported(database_url, task_ids=[chosen])
    for lines in (by_queue, by_id):
        head, *records, end = [json.loads(line) for line in lines]
        assert head["row"]["tasks"] == 1
        assert {r["row"].get("id", chosen) for r in records if r["type"] == "task"} == {chosen}
        assert [r["row"]["task_ids"] for r in records if r["type"] == "event"] == [[chosen]]
        none = {"dependency": 0, "attempt": 0, "question": 0, "spending": 0, "output": 0}
        assert end["row"] == {"task": 1, **none, "event": 1}
    end = json.loads(by_state[-1])["row"]
    assert (end["task"], end["output"]) == (2, 2)
    output = next(json.loads(line) for line in by_state if b'"output"' in line[:20])["row"]
    assert base64.b64decode(output["base64"]) == bytes(range(256))


async def test_an_export_beside_a_running_drain_is_of_one_moment(
    database_url: str, other_url: str
) -> None:
    async with open_ground(database_url) as ground:
        await ground.submit(500)
        is_over = asyncio.Event()

        async def drain() -> None:
            for _ in range(50):
                await ground.submit(10)
                await ground.end_next(10)
            is_over.set()

        found: list[list[bytes]] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(drain())
            while not is_over.is_set() or not found:
                found.append((await exported(database_url))[1])
    for lines in found:
        records = [json.loads(line) for line in lines]
        tasks = [r["row"] for r in records if r["type"] == "task"]
        events = [r["row"] for r in records if r["type"] == "event"]
        told = [event for event in events if event["type"] == "succeeded"]
        ended = [i for event in told for i in event["task_ids"] or [event["task_id"]]]
        assert sorted(ended) == [task["id"] for task in tasks if task["state"] == "succeeded"]
        assert len(tasks) >= 500
    assert (await imported(other_url, found[-1])).counts["task"] >= 500


async def test_events_come_to_lie_in_the_partitions_of_their_days(
    database_url: str, other_url: str, database: Connection
) -> None:
    async with open_ground(database_url) as ground:
        [task_id] = await ground.submit(1)
    await database.execute("select hive.create_event_day('2024-02-29')")
    await database.execute(
        "insert into hive.event (type, task_id, at) values ('started', $1, '2024-02-29 12:00Z')",
        task_id,
    )
    _, lines = await exported(database_url)
    await imported(other_url, lines)
    connection = await asyncpg.connect(other_url)
    try:
        assert await connection.fetchval("select count(*) from hive.event_20240229") == 1
        assert await connection.fetchval("select count(*) from hive.event_default") == 0
        deeds = await connection.fetch("select actor, host, what from hive.audit")
        assert [tuple(deed) for deed in deeds] == [("somebody", "here", "import")]
    finally:
        await connection.close()


def changed(lines: list[bytes], place: int, **row: Any) -> list[bytes]:
    """The lines, with something else in one row."""
    record = json.loads(lines[place])
    record["row"] |= row
    return [*lines[:place], json.dumps(record).encode() + b"\n", *lines[place + 1 :]]


def replaced(lines: list[bytes], place: int, line: bytes) -> list[bytes]:
    """The lines, with another in one place."""
    return [*lines[:place], line, *lines[place + 1 :]]


def with_column(lines: list[bytes], name: str) -> list[bytes]:
    """The lines, as if tasks had one column more."""
    columns = json.loads(lines[0])["row"]["columns"]
    columns["task"].append(name)
    return changed(lines, 0, columns=columns)


DAMAGES: Final[dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]]] = {
    "cut": (lambda lines: lines[:-1], "cut off after line 4"),
    "empty": (lambda _: [], "the file is empty"),
    "garbage": (lambda x: replaced(x, 2, b"{oh\n"), "line 3 .*: it is no JSON"),
    "binary": (lambda x: replaced(x, 2, b"\xff\n"), "line 3 .*: it is no UTF-8"),
    "version": (
        lambda x: replaced(x, 2, x[2].replace(b'"version":1', b'"version":2')),
        "line 3 .*: it has version 2, and this Hive reads version 1",
    ),
    "type": (
        lambda x: replaced(x, 2, x[2].replace(b'"task"', b'"tusk"', 1)),
        "line 3 .*: there is no type 'tusk'",
    ),
    "head": (lambda x: x[1:], "line 1 .*: its type is 'task', and not 'hive'"),
    "column": (lambda x: with_column(x, "colour"), "line 1 .*: this Hive's task has no .* colour"),
    "more": (lambda x: changed(x, 2, colour="red"), "line 3 .*: it has not the .*: colour"),
    "state": (lambda x: changed(x, 2, state="asleep"), "line 3 .*: invalid input .*asleep"),
    "check": (lambda x: changed(x, 2, priority=-1), "line 3 .*a_priority_is_from_0_most_urgent"),
    "id": (lambda x: changed(x, 2, id="seven"), "line 3 .*: id is 'seven' and no whole number"),
    "twice": (lambda x: replaced(x, 2, x[1]), r"line 3 .*: task \d+ comes after .* must rise"),
    "stranger": (lambda x: changed(x, 3, task_ids=[99]), "line 4 .*: it names task 99, which is"),
    "count": (lambda x: changed(x, 4, task=7), "line 5 .*: it tells of 7 of type task, but"),
    "after": (lambda x: [*x, x[2]], "line 6 .*: it comes after the line of type 'end'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_file_that_is_not_whole_is_refused_by_line_and_changes_nothing(
    database_url: str, other_url: str, damage: str
) -> None:
    async with open_ground(database_url) as ground:
        await ground.submit(2)
    _, lines = await exported(database_url)
    assert len(lines) == 5
    change, words = DAMAGES[damage]
    with pytest.raises(ConfigurationError, match=words):
        await imported(other_url, change(lines))
    assert set((await contents(other_url)).values()) == {0}


async def test_an_export_of_a_newer_hive_is_refused_and_of_an_older_one_taken(
    database_url: str, other_url: str
) -> None:
    async with open_ground(database_url) as ground:
        await ground.submit(1)
    _, lines = await exported(database_url)
    with pytest.raises(SchemaMismatchError, match=f"line 1: .* schema {LATEST + 1} of Hive, newer"):
        await imported(other_url, changed(lines, 0, schema=LATEST + 1))
    # As if tasks had had no groups then.
    columns = json.loads(lines[0])["row"]["columns"]
    columns["task"].remove("group_name")
    lines = changed(lines, 0, schema=1, columns=columns)
    row = json.loads(lines[1])
    del row["row"]["group_name"]
    lines[1] = json.dumps(row).encode()
    await imported(other_url, lines)
    async with open_line(other_url) as line:
        assert await TaskStore(line).count() == {"default": {TaskState.QUEUED: 1}}


async def test_of_an_older_schema_nothing_is_exported(
    database: Connection, database_url: str
) -> None:
    await database.execute("delete from hive.migration where number > 4")
    with pytest.raises(SchemaMismatchError, match=r"schema 4 of Hive.*run `hive migrate`"):
        await exported(database_url)


async def test_the_columns_of_the_first_line_are_those_of_the_tables(
    database: Connection, database_url: str
) -> None:
    """A column that a later schema adds is exported without anybody's doing."""
    await database.execute("alter table hive.task add column colour text default 'red'")
    async with open_ground(database_url) as ground:
        await ground.submit(1)
        await succeed(ground, 2)
    _, lines = await exported(database_url)
    head, *records = [json.loads(line) for line in lines[:-1]]
    columns = head["row"]["columns"]
    assert "colour" in columns["task"]
    for record in records:
        names = {"data" if name in ("text", "base64") else name for name in record["row"]}
        table = record["type"]
        assert names == set(columns[table]) | ({"data"} if table == "output" else set())


def test_ids_in_a_row_are_told_as_a_run() -> None:
    ids = Ids()
    ids.add([1, 2, 3, 7, 8], [11, 12, 14, 15, 16])
    assert ids.runs() == [(1, 2, 11), (3, 3, 14), (7, 8, 15)]
    assert [ids.find(old) for old in (1, 3, 4, 9)] == [11, 14, None, None]
