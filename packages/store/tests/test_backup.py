"""A backup holds everything of one moment; what comes of it goes on, and nothing of it is lost."""

import asyncio
import os
import zipfile
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import ConfigurationError, SchemaMismatchError
from hive_contracts.execution import Stream
from hive_contracts.outcomes import OutcomeName
from hive_contracts.schedules import Cron, Every, NewSchedule
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import EventLog, HeartbeatStore, TaskStore, migrate, open_line
from hive_store.backing_up import CopyProgress, back_up
from hive_store.deeds import Actor
from hive_store.event_log import BEGINNING
from hive_store.migrating import LATEST, read_schema
from hive_store.restoring import Restored, restore
from hive_store.worker_store import Ending, LeasedTask, Piece
from hive_testkit.ground import Ground, open_ground
from hive_testkit.plugin import fresh_database
from hive_testkit.schemas import TOMORROW, migrations_of_tomorrow, migrations_of_yesterday

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

AN_HOUR = timedelta(hours=1)
AWKWARD = {"text": "tab\t, \\N, \\., line\nbreak, é, 日本", "number": 10**30, "none": None}
CONTENTS = "select jsonb_agg(to_jsonb(r) - 'xid' order by to_jsonb(r) - 'xid') from hive.{} r"


@pytest.fixture
def virgin_url(postgres_server: str) -> Generator[str]:
    """A database of the same server in which Hive has never been."""
    with fresh_database(postgres_server, "template0") as url:
        yield url


@pytest.fixture
def other_url(postgres_server: str, postgres_template: str) -> Generator[str]:
    """Another database of the same server, migrated and empty."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hive.backup"


def quietly(_: CopyProgress) -> None:
    """Show no progress."""


async def saved(url: str, file: Path) -> None:
    await back_up(url, file, on_progress=quietly)


async def restored(url: str, file: Path, *, replaces: bool = False) -> Restored:
    return await restore(url, file, replaces=replaces, on_progress=quietly)


async def contents(url: str, *tables: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        return {table: await connection.fetchval(CONTENTS.format(table)) for table in tables}
    finally:
        await connection.close()


async def succeed(ground: Ground, leased: LeasedTask) -> bool:
    """Write that an attempt has succeeded; return whether it was the worker's to end."""
    task = leased.task
    ending = Ending(
        task_id=task.id,
        lease_id=task.lease_id,
        move=Move.SUCCEED,
        outcome=OutcomeName.SUCCEEDED,
        result='{"answer": 42}',
        run_seconds=0.5,
    )
    return len(await ground.worker.finish([ending])) == 1


async def a_day_of_work(ground: Ground) -> None:
    """Leave tasks in many states, with output, earlier attempts, and awkward payloads."""
    await ground.submit(3, payload=AWKWARD, timeout=timedelta(minutes=90, milliseconds=1))
    for leased in await ground.lease(2, priority=7):
        await ground.worker.start([(leased.task.id, leased.task.lease_id)])
        piece = Piece(
            task_id=leased.task.id,
            lease_id=leased.task.lease_id,
            stream=Stream.STDOUT,
            position=0,
            data=bytes(range(256)),
        )
        await ground.worker.append_output([piece])
        assert await succeed(ground, leased)
    bundle = await ground.bundle(1)
    await ground.queen.release([bundle.lease_id], reason="it could not be sent")


async def test_what_is_restored_is_what_was_saved(
    database_url: str, virgin_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        await a_day_of_work(ground)
    await saved(database_url, file)
    await restored(virgin_url, file)
    tables = ("task", "attempt", "event", "output", "lease")
    assert await contents(virgin_url, *tables) == await contents(database_url, *tables)
    async with open_ground(virgin_url) as ground:
        assert await ground.tasks.count_orphans() == 0


async def test_ids_go_on_where_they_were_and_events_stay_in_order(
    database_url: str, other_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        await a_day_of_work(ground)
        last = max(await ground.submit(2))
    await saved(database_url, file)
    await restored(other_url, file)
    async with open_ground(other_url) as ground, open_line(other_url) as line:
        log = EventLog(line)
        old = await log.after(BEGINNING)
        assert len(old) > 5
        assert await ground.submit(1) == [last + 1]
        new = await log.after(BEGINNING)
        assert [event.cursor for event in new[:-1]] == [event.cursor for event in old]
        assert new[-1].task_ids == (last + 1,)


async def test_what_was_leased_is_queued_again_uncounted(
    database_url: str, other_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        running, dispatched = await ground.lease(2)
        await ground.worker.start([(running.task.id, running.task.lease_id)])
        unaccepted = await ground.bundle(1)
        await saved(database_url, file)
    assert (await restored(other_url, file)).queued == 2 + unaccepted.size
    async with open_ground(other_url) as ground:
        assert await ground.tasks.count() == {"default": {TaskState.QUEUED: 3}}
        assert await ground.tasks.count_orphans() == 0
        record = await ground.tasks.read(running.task.id)
        assert (record.attempt, record.failures, record.losses) == (0, 0, 0)
        assert [(a.attempt, a.outcome, a.error) for a in record.history] == [
            (1, "released", "it was leased when the backup was made")
        ]
        assert len(await ground.lease(1)) == 1
        # The worker of the old Hive comes too late, whatever it brings.
        assert not await succeed(ground, running)
        assert not await succeed(ground, dispatched)


async def test_what_may_never_run_twice_has_failed_and_what_was_called_off_is_cancelled(
    database_url: str, other_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        [once] = await ground.lease(1, max_losses=0)
        [called_off] = await ground.lease(1)
        [unstarted] = await ground.lease(1, max_losses=0)
        for leased in (once, called_off):
            await ground.worker.start([(leased.task.id, leased.task.lease_id)])
        await ground.tasks.cancel([called_off.task.id])
        await saved(database_url, file)
    found = await restored(other_url, file)
    assert (found.queued, found.failed, found.cancelled) == (1, 1, 1)
    async with open_line(other_url) as line:
        tasks, log = TaskStore(line), EventLog(line)
        assert (await tasks.read(once.task.id)).state is TaskState.FAILED
        assert "it may not run again" in str((await tasks.read(once.task.id)).error)
        assert (await tasks.read(called_off.task.id)).state is TaskState.CANCELLED
        assert (await tasks.read(unstarted.task.id)).state is TaskState.QUEUED
        last_events = [(await log.of_task(i.task.id))[-1].type for i in (once, called_off)]
        assert last_events == ["failed", "cancelled"]


async def test_a_backup_shows_one_moment_however_much_is_written_meanwhile(
    database_url: str, other_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        await ground.submit(500)

        async def submit_and_finish(_: object = None) -> None:
            while not is_over.is_set():
                for leased in await ground.lease(5):
                    assert await succeed(ground, leased)

        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(submit_and_finish())
            for _ in range(3):
                file.unlink(missing_ok=True)
                await saved(database_url, file)
            is_over.set()
    await restored(other_url, file)
    connection = await asyncpg.connect(other_url)
    try:
        # Each task was told of when it was born, and when it ended: no event without its row.
        assert (
            await connection.fetchval(
                "select count(*) from hive.event e"
                " cross join lateral unnest(coalesce(e.task_ids, array[e.task_id])) told (id)"
                " where e.type = 'succeeded'"
                " and not exists (select from hive.task t where t.id = told.id)"
            )
            == 0
        )
        assert (
            await connection.fetchval(
                "select count(*) from hive.task t where state = 'succeeded' and 1 <> (select"
                " count(*) from hive.event e where type = 'succeeded'"
                " and t.id = any(coalesce(e.task_ids, array[e.task_id])))"
            )
            == 0
        )
        assert await connection.fetchval("select count(*) from hive.task") >= 500
    finally:
        await connection.close()


async def test_a_database_that_holds_tasks_is_left_alone_unless_they_are_to_go(
    database_url: str, other_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        await a_day_of_work(ground)
        await saved(database_url, file)
    async with open_ground(other_url) as ground:
        await ground.submit(4)
        with pytest.raises(ConfigurationError, match=r"holds tasks already.*--replace"):
            await restored(other_url, file)
        assert await ground.tasks.count() == {"default": {TaskState.QUEUED: 4}}
    await restored(other_url, file, replaces=True)
    tables = ("task", "attempt", "event")
    assert await contents(other_url, *tables) == await contents(database_url, *tables)


async def test_nothing_is_made_anew_under_a_worker_that_lives(
    database_url: str, other_url: str, file: Path
) -> None:
    await saved(database_url, file)
    async with open_ground(other_url) as ground:
        await ground.submit(1)
        await ground.queen.see(host="here", pid=1, version="0")
        with pytest.raises(ConfigurationError, match="1 queens and workers were at work"):
            await restored(other_url, file, replaces=True)
        assert await ground.tasks.count() == {"default": {TaskState.QUEUED: 1}}
        await ground.queen.leave()
        async with open_line(other_url) as line:
            worker = HeartbeatStore(ground.worker.worker_id, line)
            await worker.see(
                host="here", pid=1, version="0", queues=["default"], slots=1, is_draining=False
            )
            with pytest.raises(ConfigurationError, match="1 queens and workers were at work"):
                await restored(other_url, file, replaces=True)
        await ground.worker.leave()
    await restored(other_url, file, replaces=True)


async def test_a_queen_that_waits_at_an_empty_database_finds_the_restored_tasks(
    database_url: str, other_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        await ground.submit(2)
        await saved(database_url, file)
    async with open_ground(other_url) as ground:
        await ground.queen.see(host="here", pid=1, version="0")
        await restored(other_url, file)
        assert (await ground.claim(2)).size == 2


async def test_a_backup_of_an_older_hive_is_brought_up_to_date(
    virgin_url: str, other_url: str, file: Path, tmp_path: Path
) -> None:
    await migrate(virgin_url, folder=migrations_of_yesterday(tmp_path))
    connection = await asyncpg.connect(virgin_url)
    await connection.execute(
        "insert into hive.task (kind) select 'call' from generate_series(1, 9)"
    )
    await connection.close()
    await saved(virgin_url, file)
    await restored(other_url, file)
    connection = await asyncpg.connect(other_url)
    assert (await read_schema(connection)).number == LATEST
    await connection.close()
    async with open_line(other_url) as line:
        assert await TaskStore(line).count() == {"default": {TaskState.QUEUED: 9}}


async def test_a_backup_of_a_newer_hive_is_refused(
    database_url: str, other_url: str, file: Path, tmp_path: Path
) -> None:
    await migrate(database_url, folder=migrations_of_tomorrow(tmp_path))
    await saved(database_url, file)
    with pytest.raises(SchemaMismatchError, match=f"made with schema {TOMORROW} of Hive, newer"):
        await restored(other_url, file)


async def test_a_database_without_hive_has_nothing_to_save(virgin_url: str, file: Path) -> None:
    with pytest.raises(SchemaMismatchError, match="nothing to back up"):
        await saved(virgin_url, file)
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "swapped", "other"])
async def test_a_file_that_is_not_whole_changes_nothing(
    database_url: str, other_url: str, file: Path, damage: str
) -> None:
    async with open_ground(database_url) as ground:
        await a_day_of_work(ground)
    await saved(database_url, file)
    whole = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "flipped":
            at = whole.index(b"tables/task.copy") + 60
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        case "swapped":
            _rewrite(file, "tables/task.copy", (b"trial", b"trail"))
        case _:
            file.write_text("notes")
    with pytest.raises(ConfigurationError, match="is no whole backup made by `hive backup`"):
        await restored(other_url, file)
    async with open_line(other_url) as line:
        assert await TaskStore(line).count() == {}


async def test_a_file_that_is_not_there_is_told(other_url: str, file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no file .*hive\.backup"):
        await restored(other_url, file)


def _rewrite(file: Path, member: str, change: tuple[bytes, bytes]) -> None:
    """Change what a member of the file holds, with a checksum of the zip's own that is right."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert change[0] in members[member]
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (members | {member: members[member].replace(*change)}).items():
            archive.writestr(name, data)


async def test_a_backup_is_its_owners_alone_and_takes_its_place_whole(
    database_url: str, file: Path
) -> None:
    seen: list[list[str]] = []
    async with open_ground(database_url) as ground:
        await ground.submit(1)
    await back_up(
        database_url,
        file,
        on_progress=lambda _: seen.append([p.name for p in file.parent.iterdir()]),
    )
    assert seen
    assert all(file.name not in names for names in seen)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_place_that_cannot_be_written_is_told(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be written: No such file or directory"):
        await saved(database_url, tmp_path / "absent" / "hive.backup")


@pytest.mark.skipif(not os.access("/proc/self/limits", os.R_OK), reason="it needs Linux")
async def test_a_full_disk_is_told_and_nothing_is_left(database_url: str, file: Path) -> None:
    import resource  # noqa: PLC0415

    async with open_ground(database_url) as ground:
        await ground.submit(200, payload={"noise": os.urandom(20_000).hex()})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(ConfigurationError, match="cannot be written: File too large; nothing"):
            await saved(database_url, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(file.parent.iterdir()) == []


async def test_what_waits_for_others_goes_on_waiting_where_it_is_restored(
    database_url: str, virgin_url: str, file: Path
) -> None:
    async with open_ground(database_url) as ground:
        [running] = await ground.lease(1)
        [ended] = await ground.submit(1)
        children = [
            (await ground.submit(1, after=(parent,)))[0] for parent in (running.task.id, ended)
        ]
        await ground.tasks.cancel([ended])
    await saved(database_url, file)
    await restored(virgin_url, file)
    assert await contents(virgin_url, "dependency") == await contents(database_url, "dependency")
    async with open_ground(virgin_url) as ground:
        assert await ground.queen.close_dependencies(batch_size=10)
        await ground.queen.release_gates(batch_size=10)
        states = await ground.tasks.states(children)
        assert [states[i] for i in children] == [TaskState.BLOCKED, TaskState.CANCELLED]
        assert await ground.end_next() == [running.task.id]
        await ground.queen.close_dependencies(batch_size=10)
        await ground.queen.release_gates(batch_size=10)
        assert await ground.end_next() == [children[0]]


async def test_schedules_come_back_as_they_were_with_their_ticks_and_their_record(
    database_url: str, virgin_url: str, file: Path
) -> None:
    actor = Actor("ada", "desk")
    task = NewTask(kind="command", payload=AWKWARD)
    async with open_ground(database_url) as ground:
        for name, when in (("cron", Cron("@daily", "Asia/Tokyo")), ("every", Every(AN_HOUR))):
            new = NewSchedule(name=name, when=when, task=task, spread=AN_HOUR)
            await ground.schedules.put(new, replaces=False, actor=actor)
        await ground.schedules.run("cron", actor=actor)
        await ground.schedules.set_paused("every", is_paused=True, actor=actor)
    await saved(database_url, file)
    await restored(virgin_url, file)
    tables = ("schedule", "tick", "audit")
    assert await contents(virgin_url, *tables) == await contents(database_url, *tables)
    async with open_ground(virgin_url) as ground:
        new = NewSchedule(name="third", when=Cron("@daily"), task=task)
        await ground.schedules.put(new, replaces=False, actor=actor)
