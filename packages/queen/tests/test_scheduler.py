"""Each tick becomes a task once, whoever submits it, and what was missed or overlaps is told."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import RefusedScheduleError, UnknownScheduleError
from hive_contracts.ids import TaskId
from hive_contracts.schedules import (
    Cron,
    Every,
    Missed,
    NewSchedule,
    Once,
    Overlap,
    Schedule,
    SkipReason,
    TickOutcome,
    When,
)
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_queen.scheduler import Scheduler
from hive_queen.settings import QueenSettings
from hive_store.deeds import Actor
from hive_telemetry.metrics import Metrics
from hive_testkit.ground import Ground, open_ground
from hive_testkit.timing import pass_time
from hive_testkit.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SOMEBODY = Actor("ada", "desk")
MINUTE = timedelta(minutes=1)
MINUTELY = Every(MINUTE)
"""Counted from when it is added: a minute of the wall that ends meanwhile brings no tick more."""


class Scene:
    """A queen's scheduler, and time that passes for the schedules."""

    def __init__(self, ground: Ground, database: Connection) -> None:
        self.ground = ground
        self.database = database
        self.metrics = Metrics()
        self.scheduler = scheduler_of(ground, self.metrics)

    async def add(self, name: str = "pulse", when: When = MINUTELY, **options: Any) -> Schedule:
        """Add a schedule, and have its first tick reckoned."""
        task = options.pop("task", NewTask(kind="trial", payload={"at": "{tick}"}))
        replaces = options.pop("replaces", False)
        schedule = NewSchedule(name=name, when=when, task=task, **options)
        await self.ground.schedules.put(schedule, replaces=replaces, actor=SOMEBODY)
        await self.scheduler.submit_due()
        return await self.ground.schedules.read(name)

    async def let_pass(self, passed: timedelta) -> None:
        """Make it so that so much time has passed; what cron says is then as far from the clock."""
        await pass_time(self.database, passed.total_seconds())

    async def submit(self) -> list[TaskId]:
        """Submit what is due; return the tasks there are now of schedule `pulse`."""
        while await self.scheduler.submit_due() == 0:
            pass
        return await self.tasks()

    async def tasks(self) -> list[TaskId]:
        rows = await self.database.fetch("select id from hive.task order by id")
        return [TaskId(row["id"]) for row in rows]

    async def ticks(self, name: str = "pulse") -> list[tuple[str, str | None, int]]:
        """What became of the ticks, the earliest first."""
        schedule = await self.ground.schedules.read(name)
        found = await self.ground.schedules.ticks(schedule.id, limit=1000)
        return [(tick.outcome, tick.reason, tick.count) for tick in reversed(found)]


def scheduler_of(ground: Ground, metrics: Metrics | None = None) -> Scheduler:
    return Scheduler(
        ground.queen.ticks,
        changed=asyncio.Event(),
        settings=QueenSettings(),
        metrics=metrics or Metrics(),
    )


@pytest.fixture
def scene(ground: Ground, database: Connection) -> Scene:
    return Scene(ground, database)


DEMANDING = NewTask(
    kind="trial",
    key="door",
    needs=("gpu", "big"),
    slots=2,
    breaker="shop:team",
    retry="fixed(30s) only on 75",
    silence_timeout=timedelta(seconds=40),
)


async def demands(scene: Scene, task_id: TaskId) -> tuple[object, ...]:
    """What the task of a tick demands, and for how long after the tick it may wait."""
    task = await scene.ground.tasks.read(task_id)
    tick = await scene.ground.schedules.tick_of(task_id)
    assert tick is not None
    assert task.expires_at is not None
    return (
        *(task.key, task.needs, task.slots, task.breaker, task.retry, task.silence_timeout),
        task.expires_at - tick.tick_at,
    )


async def test_the_tasks_of_ticks_demand_what_their_schedule_says(scene: Scene) -> None:
    added = await scene.add(task=DEMANDING, overlap=Overlap.QUEUE, expires_in=2 * MINUTE)
    assert (added.expires_in, added.task.max_attempts) == (2 * MINUTE, 3)
    await scene.let_pass(MINUTE)
    [first] = await scene.submit()
    await scene.let_pass(MINUTE)
    assert await scene.submit() == [first]
    await scene.ground.tasks.cancel([first])
    assert len(await scene.ground.queen.ticks.submit_waiting(limit=10)) == 1
    extra = await scene.ground.schedules.run("pulse", actor=SOMEBODY)
    tasks = await scene.tasks()
    assert tasks == [first, tasks[1], extra]
    wanted = ("door", ("big", "gpu"), 2, "shop:team", "fixed(30s) only on 75")
    for task_id in tasks:
        assert await demands(scene, task_id) == (*wanted, timedelta(seconds=40), 2 * MINUTE)


async def test_a_tick_waits_for_the_turn_of_its_key_and_expires_while_it_does(scene: Scene) -> None:
    await scene.add(task=DEMANDING, expires_in=2 * MINUTE)
    [other] = await scene.ground.tasks.submit([NewTask(kind="call", key="door")])
    await scene.ground.queen.grant_turns(batch_size=10)
    await scene.let_pass(MINUTE)
    [_, task_id] = await scene.submit()
    await scene.ground.queen.grant_turns(batch_size=10)
    states = await scene.ground.tasks.states([other, task_id])
    assert states == {other: TaskState.QUEUED, task_id: TaskState.BLOCKED}
    await scene.let_pass(2 * MINUTE)
    await scene.ground.queen.expire(batch_size=10)
    states = await scene.ground.tasks.states([other, task_id])
    assert states == {other: TaskState.QUEUED, task_id: TaskState.CANCELLED}


async def test_a_tick_becomes_a_task_that_knows_its_moment(scene: Scene) -> None:
    added = await scene.add(
        when=Cron("@hourly", "Asia/Kolkata"),
        task=NewTask(
            kind="trial",
            payload={"at": ["{tick}", 1]},
            queue="night",
            priority=7,
            max_attempts=4,
            max_losses=0,
            timeout=timedelta(minutes=3),
        ),
    )
    assert added.next_at is not None
    assert timedelta(0) < added.next_at - added.now <= 60 * MINUTE
    assert await scene.tasks() == []
    await scene.let_pass(60 * MINUTE)
    [task_id] = await scene.submit()
    record = await scene.ground.tasks.read(task_id)
    tick = await scene.ground.schedules.tick_of(task_id)
    assert tick is not None
    assert record.payload == {"at": [tick.said, 1]}
    assert tick.said.endswith("+05:30")
    assert datetime.fromisoformat(tick.said) == tick.tick_at == added.next_at - 60 * MINUTE
    assert (record.queue, record.priority, record.max_attempts, record.max_losses) == (
        "night",
        7,
        4,
        0,
    )
    assert (record.group, record.timeout) == ("pulse", timedelta(minutes=3))
    assert record.state is TaskState.QUEUED
    after = await scene.ground.schedules.read("pulse")
    assert (after.last_tick_at, after.last_task_id) == (tick.tick_at, task_id)
    assert scene.metrics.value("hive_schedule_ticks_submitted_total") == 1
    assert scene.metrics.value("hive_schedule_lateness_seconds_count") == 1


async def test_the_event_log_tells_of_a_tick_as_of_any_submit(scene: Scene) -> None:
    await scene.add()
    await scene.let_pass(MINUTE)
    task_ids = await scene.submit()
    told = await scene.database.fetch("select task_ids from hive.event where type = 'queued'")
    assert [list(row["task_ids"]) for row in told] == [task_ids]


async def test_what_nobody_missed_is_submitted_on_time(scene: Scene) -> None:
    await scene.add(when=Every(timedelta(seconds=1)), overlap=Overlap.ALLOW)
    changed = asyncio.Event()
    scheduler = Scheduler(
        scene.ground.queen.ticks,
        changed=changed,
        settings=QueenSettings(),
        metrics=scene.metrics,
    )
    running = asyncio.ensure_future(scheduler.run())  # noqa: TID251 - ended below
    try:
        await until(lambda: (scene.metrics.value("hive_schedule_lateness_seconds_count") or 0) >= 2)
    finally:
        running.cancel()
    assert (await scene.ground.schedules.read("pulse")).last_tick_at is not None


async def test_a_change_wakes_the_queen_before_her_pause_is_over(scene: Scene) -> None:
    changed = asyncio.Event()
    scheduler = Scheduler(
        scene.ground.queen.ticks,
        changed=changed,
        settings=QueenSettings(poll_seconds=600, lease_seconds=1200),
        metrics=scene.metrics,
    )
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(scheduler.tick())
        await asyncio.sleep(0)
        changed.set()


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        (Missed.SKIP, [("skipped", "missed", 5)]),
        (Missed.LAST, [("skipped", "missed", 4), ("submitted", None, 1)]),
        (Missed.ALL, [("submitted", None, 1)] * 5),
    ],
)
async def test_ticks_that_no_queen_was_there_for_are_made_up_for_as_the_policy_says(
    scene: Scene, missed: Missed, expected: list[tuple[str, str | None, int]]
) -> None:
    added = await scene.add(when=Cron("0 0 1 * *"), missed=missed, overlap=Overlap.ALLOW)
    assert added.next_at is not None
    # Five months pass without a queen.
    month = added.next_at.month - 5
    earlier = added.next_at.replace(
        year=added.next_at.year - (month < 1), month=month + 12 * (month < 1)
    )
    await scene.database.execute("update hive.schedule set next_at = $1", earlier)
    tasks = await scene.submit()
    assert await scene.ticks() == expected
    assert len(tasks) == sum(outcome == "submitted" for outcome, _, _ in expected)
    assert (await scene.ground.schedules.read("pulse")).next_at == added.next_at
    left_out = sum(count for _, reason, count in expected if reason)
    skipped = scene.metrics.value("hive_schedule_ticks_skipped_total", reason="missed")
    assert (skipped or 0) == left_out


async def test_making_up_for_all_has_a_bound_and_says_how_many_are_left_out(scene: Scene) -> None:
    await scene.add(when=Cron("@hourly"), missed=Missed.ALL, max_missed=3, overlap=Overlap.ALLOW)
    await scene.let_pass(timedelta(hours=10))
    assert len(await scene.submit()) == 3
    assert await scene.ticks() == [("skipped", "missed", 7)] + [("submitted", None, 1)] * 3


async def test_a_tick_that_overlaps_is_skipped_unless_it_is_said_otherwise(scene: Scene) -> None:
    await scene.add()
    for _ in range(3):
        await scene.let_pass(MINUTE)
        await scene.submit()
    assert len(await scene.tasks()) == 1
    skipped = ("skipped", "overlap", 1)
    assert await scene.ticks() == [("submitted", None, 1), skipped, skipped]
    assert scene.metrics.value("hive_schedule_ticks_skipped_total", reason="overlap") == 2
    await scene.ground.end_next()
    await scene.let_pass(MINUTE)
    assert len(await scene.submit()) == 2


async def test_ticks_may_overlap(scene: Scene) -> None:
    await scene.add(overlap=Overlap.ALLOW)
    for count in (1, 2, 3):
        await scene.let_pass(MINUTE)
        assert len(await scene.submit()) == count


async def test_ticks_may_wait_for_one_another_and_go_one_by_one(scene: Scene) -> None:
    await scene.add(overlap=Overlap.QUEUE, max_missed=2)
    for _ in range(4):
        await scene.let_pass(MINUTE)
        await scene.submit()
    waiting = (TickOutcome.WAITING, None, 1)
    assert await scene.ticks() == [
        ("submitted", None, 1),
        waiting,
        waiting,
        ("skipped", "backlog", 1),
    ]
    assert (await scene.ground.schedules.read("pulse")).waiting == 2
    for count in (2, 3):
        await scene.ground.end_next()
        assert len(await scene.submit()) == count
    ticks = [await scene.ground.schedules.tick_of(task_id) for task_id in await scene.tasks()]
    moments = [tick.tick_at for tick in ticks if tick is not None]
    assert len(moments) == 3
    assert moments == sorted(moments)
    await scene.ground.end_next()
    assert len(await scene.submit()) == 3
    assert (await scene.ground.schedules.read("pulse")).waiting == 0


async def test_all_that_was_missed_may_be_made_up_for_one_by_one(scene: Scene) -> None:
    await scene.add(when=Cron("@hourly"), missed=Missed.ALL, overlap=Overlap.QUEUE)
    await scene.let_pass(timedelta(hours=3))
    for count in (1, 2, 3):
        assert len(await scene.submit()) == count
        await scene.ground.end_next()


async def test_a_paused_schedule_submits_nothing_and_what_it_slept_through_is_not_missed(
    scene: Scene,
) -> None:
    await scene.add(missed=Missed.ALL, overlap=Overlap.ALLOW)
    store = scene.ground.schedules
    assert await store.set_paused("pulse", is_paused=True, actor=SOMEBODY)
    assert not await store.set_paused("pulse", is_paused=True, actor=SOMEBODY)
    await scene.let_pass(timedelta(hours=1))
    assert await scene.submit() == []
    assert await store.set_paused("pulse", is_paused=False, actor=SOMEBODY)
    assert await scene.submit() == []
    resumed = await store.read("pulse")
    assert resumed.next_at is not None
    assert timedelta(0) < resumed.next_at - resumed.now <= MINUTE
    assert resumed.paused_at is None


async def test_a_pause_between_a_queens_look_and_her_write_wins(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.add()
    await scene.let_pass(MINUTE)
    # None, unless a minute has ended while it was added.
    before = await scene.tasks()
    store, submit = scene.ground.schedules, scene.ground.queen.ticks.submit

    async def pause_first(decisions: Any) -> Any:
        await store.set_paused("pulse", is_paused=True, actor=SOMEBODY)
        return await submit(decisions)

    monkeypatch.setattr(scene.ground.queen.ticks, "submit", pause_first)
    assert await scene.scheduler.submit_due() > 0
    assert await scene.tasks() == before


async def test_a_schedule_that_is_removed_while_it_is_due_submits_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.add()
    await scene.let_pass(MINUTE)
    # None, unless a minute has ended while it was added.
    before = await scene.tasks()
    store, submit = scene.ground.schedules, scene.ground.queen.ticks.submit

    async def remove_first(decisions: Any) -> Any:
        await store.remove("pulse", actor=SOMEBODY)
        return await submit(decisions)

    monkeypatch.setattr(scene.ground.queen.ticks, "submit", remove_first)
    await scene.scheduler.submit_due()
    assert await scene.tasks() == before
    with pytest.raises(UnknownScheduleError, match="there is no schedule 'pulse'"):
        await store.read("pulse")


async def test_a_change_between_a_queens_look_and_her_write_wins(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.add()
    await scene.let_pass(MINUTE)
    submit = scene.ground.queen.ticks.submit

    async def change_first(decisions: Any) -> Any:
        await scene.database.execute("update hive.schedule set zone = 'Europe/Berlin'")
        return await submit(decisions)

    monkeypatch.setattr(scene.ground.queen.ticks, "submit", change_first)
    assert await scene.scheduler.submit_due() > 0
    assert await scene.tasks() == []


async def test_what_a_queen_writes_a_second_time_does_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.add(overlap=Overlap.ALLOW)
    await scene.let_pass(MINUTE)
    submit, advanced = scene.ground.queen.ticks.submit, list[int]()

    async def submit_twice(decisions: Any) -> Any:
        advanced.append((await submit(decisions)).advanced)
        done = await submit(decisions)
        advanced.append(done.advanced)
        return done

    monkeypatch.setattr(scene.ground.queen.ticks, "submit", submit_twice)
    await scene.scheduler.submit_due()
    assert advanced == [1, 0]
    assert len(await scene.tasks()) == 1


async def test_no_tick_comes_twice_even_if_a_schedule_is_set_back(scene: Scene) -> None:
    await scene.add(overlap=Overlap.ALLOW)
    await scene.let_pass(MINUTE)
    [task_id] = await scene.submit()
    await scene.database.execute("update hive.schedule set next_at = last_tick_at")
    assert await scene.submit() == [task_id]


async def test_ticks_that_wait_are_left_out_when_their_schedule_is_removed(scene: Scene) -> None:
    added = await scene.add(overlap=Overlap.QUEUE)
    for _ in range(2):
        await scene.let_pass(MINUTE)
        await scene.submit()
    await scene.ground.schedules.remove("pulse", actor=SOMEBODY)
    await scene.ground.end_next()
    assert len(await scene.submit()) == 1
    ticks = await scene.ground.schedules.ticks(added.id, limit=10)
    assert [tick.reason for tick in ticks] == [SkipReason.REMOVED, None]


async def test_one_extra_is_submitted_now_and_counts_as_one_of_its_tasks(scene: Scene) -> None:
    added = await scene.add()
    extra = await scene.ground.schedules.run("pulse", actor=SOMEBODY)
    assert await scene.tasks() == [extra]
    tick = await scene.ground.schedules.tick_of(extra)
    assert tick is not None
    assert tick.is_extra
    record = await scene.ground.tasks.read(extra)
    assert (record.payload, record.group) == ({"at": tick.said}, "pulse")
    # Twice at once, if somebody wants that; the clock's own tick is one too many.
    await scene.ground.schedules.run("pulse", actor=SOMEBODY)
    await scene.let_pass(MINUTE)
    assert len(await scene.submit()) == 2
    assert (await scene.ticks())[-3:].count(("skipped", "overlap", 1)) == 1
    assert (await scene.ground.schedules.read("pulse")).id == added.id


async def test_once_is_submitted_once(scene: Scene) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    await scene.add(when=Once(at))
    await scene.database.execute(
        "update hive.schedule set once_at = clock_timestamp() - interval '1 s'"
    )
    await scene.database.execute("update hive.schedule set since = once_at - interval '1 s'")
    assert len(await scene.submit()) == 1
    after = await scene.ground.schedules.read("pulse")
    assert (after.next_at, after.is_reckoned) == (None, True)
    assert len(await scene.submit()) == 1


async def test_a_schedule_may_be_spread_over_a_while(scene: Scene) -> None:
    await scene.add(
        when=Cron("@hourly"), spread=timedelta(hours=1), missed=Missed.ALL, overlap=Overlap.ALLOW
    )
    await scene.database.execute(
        "update hive.schedule set next_at = date_trunc('hour', statement_timestamp())"
    )
    [task_id] = await scene.submit()
    tick = await scene.ground.schedules.tick_of(task_id)
    record = await scene.ground.tasks.read(task_id)
    assert tick is not None
    assert tick.tick_at <= record.run_at
    assert record.run_at <= max(tick.tick_at + timedelta(hours=1), record.created_at)


async def test_a_schedule_by_plain_sql_is_like_any_other_and_a_faulty_one_harms_nobody(
    scene: Scene, database: Connection
) -> None:
    await database.execute(
        "insert into hive.schedule (name, kind, payload, cron, zone) values"
        " ('good', 'trial', '{}', '* * * * *', 'Europe/Berlin'),"
        " ('no-cron', 'trial', '{}', 'whenever', 'UTC'),"
        " ('no-zone', 'trial', '{}', '@daily', 'Mars/Olympus')"
    )
    await scene.submit()
    found = {s.name: s async for page in pages(scene) for s in page}
    assert found["good"].next_at is not None
    for name, value in (("no-cron", "'whenever'"), ("no-zone", "'Mars/Olympus'")):
        assert found[name].next_at is None
        assert value in str(found[name].fault)
    troubled = await scene.ground.schedules.troubled(living=MINUTE, limit=10)
    assert [(each.name, each.fault is None) for each in troubled] == [
        ("good", True),
        ("no-cron", False),
        ("no-zone", False),
    ]
    counts = await scene.ground.schedules.counts()
    assert (counts.count, counts.paused, counts.faulty) == (3, 0, 2)
    await database.execute("update hive.schedule set cron = '@daily' where name = 'no-cron'")
    await scene.submit()
    mended = await scene.ground.schedules.read("no-cron")
    assert (mended.fault, mended.next_at is None) == (None, False)


def pages(scene: Scene) -> Any:
    return scene.ground.schedules.pages()


async def test_a_schedule_that_somebody_holds_locked_does_not_keep_the_queen_busy(
    scene: Scene, database_url: str
) -> None:
    await scene.add()
    await scene.add("other")
    await scene.let_pass(MINUTE)
    other = await asyncpg.connect(database_url)
    try:
        async with other.transaction():
            await other.execute("update hive.schedule set fault = null where name = 'pulse'")
            assert await scene.scheduler.submit_due() == 0
            assert await scene.scheduler.submit_due() > 0
            assert [row[1] for row in await scene.ticks("other")] == [None]
    finally:
        await other.close()
    assert len(await scene.submit()) == 2


async def test_what_people_do_is_written_down(scene: Scene) -> None:
    await scene.add()
    await scene.add(replaces=True, when=Cron("@daily"))
    store = scene.ground.schedules
    await store.set_paused("pulse", is_paused=True, actor=SOMEBODY)
    await store.set_paused("pulse", is_paused=True, actor=SOMEBODY)
    await store.set_paused("pulse", is_paused=False, actor=SOMEBODY)
    await store.run("pulse", actor=SOMEBODY)
    await store.remove("pulse", actor=SOMEBODY)
    rows = await scene.database.fetch("select * from hive.audit order by at")
    assert [row["what"] for row in rows] == [
        "schedule added",
        "schedule replaced",
        "schedule paused",
        "schedule resumed",
        "schedule run",
        "schedule removed",
    ]
    assert {(row["actor"], row["host"], row["target"]) for row in rows} == {
        ("ada", "desk", "pulse")
    }


async def test_replacing_a_payload_leaves_the_next_tick_as_it_is(scene: Scene) -> None:
    when = Every(timedelta(hours=1))
    first = await scene.add(when=when)
    again = await scene.add(when=when, replaces=True, task=NewTask(kind="other"))
    assert (again.id, again.next_at, again.task.kind) == (first.id, first.next_at, "other")
    with pytest.raises(RefusedScheduleError, match="already; replace it"):
        await scene.add(when=when)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "two words"}, "'two words'"),
        ({"name": ""}, "''"),
        ({"when": Cron("nonsense")}, "'nonsense'"),
        ({"when": Once(datetime(2020, 1, 1, tzinfo=UTC))}, "2020-01-01.* is over"),
        ({"missed": Missed.ALL}, "overlap is queue or allow"),
        ({"max_missed": 0}, "from 1 to 1,000, not 0"),
        ({"spread": timedelta(days=2)}, "2 days"),
        ({"spread": MINUTE, "expires_in": MINUTE}, "longer than the spread"),
        ({"expires_in": timedelta(0)}, "longer than nothing"),
        ({"task": NewTask(kind="trial", run_at=datetime(2030, 1, 1, tzinfo=UTC))}, "no run_at"),
        ({"task": NewTask(kind="trial", expires_at=datetime.now(UTC))}, "use the schedule's exp"),
        ({"task": NewTask(kind="trial", unique_key="x")}, "no unique_key"),
        ({"task": NewTask(kind="trial", after=[TaskId(1)])}, "no after"),
        ({"task": NewTask(kind="trial", name="x")}, "no name"),
        ({"task": NewTask(kind="trial", key="x", when_busy="reject")}, "no when_busy"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    scene: Scene, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(RefusedScheduleError, match=words):
        await scene.add(**options)
    assert await scene.database.fetchval("select count(*) from hive.schedule") == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("needs", "gpu,,big"),
        ("needs", "gpu big"),
        ("needs", "slots:0"),
        ("needs", "gpu,slots:2"),
        ("needs", "slots:2gpu"),
        ("needs", ",".join(f"label-{number}" for number in range(17))),
        ("key", ""),
        ("breaker", "two words"),
        ("retry", "now and then"),
        ("silence_timeout", "0"),
        ("expires_in", "0"),
    ],
)
async def test_plain_sql_gives_no_schedule_what_no_task_may_have(
    scene: Scene, column: str, value: str
) -> None:
    await scene.add()
    with pytest.raises(asyncpg.CheckViolationError):
        await scene.database.execute(f"update hive.schedule set {column} = '{value}'")


@pytest.mark.parametrize("needs", ["gpu", "slots:2", " slots:2 , zone=eu,gpu ", "", "b, a"])
async def test_needs_of_a_schedule_by_plain_sql_are_those_of_a_task(
    scene: Scene, needs: str
) -> None:
    await scene.add()
    await scene.database.execute("update hive.schedule set needs = $1", needs)
    await scene.let_pass(MINUTE)
    [task_id] = await scene.submit()
    wanted = {word.strip() for word in needs.split(",")} - {"", "slots:2"}
    assert set((await scene.ground.tasks.read(task_id)).needs) == wanted


async def test_ticks_are_forgotten_after_a_while_but_not_those_that_wait(scene: Scene) -> None:
    await scene.add(overlap=Overlap.QUEUE)
    for _ in range(2):
        await scene.let_pass(MINUTE)
        await scene.submit()
    await scene.database.execute("update hive.tick set decided_at = decided_at - interval '8 days'")
    assert await scene.ground.queen.ticks.forget(keep_days=7, limit=100) == 1
    assert await scene.ticks() == [("waiting", None, 1)]
    await scene.ground.schedules.remove("pulse", actor=SOMEBODY)
    await scene.database.execute("update hive.tick set decided_at = decided_at - interval '8 days'")
    assert await scene.ground.queen.ticks.forget(keep_days=7, limit=100) == 1


async def test_three_queens_that_race_submit_each_tick_once(
    scene: Scene, database: Connection, database_url: str
) -> None:
    second = Every(timedelta(seconds=1))
    for number in range(20):
        await scene.add(f"s{number}", when=second, missed=Missed.ALL, overlap=Overlap.ALLOW)
    async with open_ground(database_url) as another, open_ground(database_url) as third:
        schedulers = [scene.scheduler, scheduler_of(another), scheduler_of(third)]
        is_over = False

        async def reign(scheduler: Scheduler) -> None:
            while not is_over:
                await scheduler.submit_due()

        async with asyncio.TaskGroup() as group:
            for scheduler in schedulers:
                group.create_task(reign(scheduler))
            for _ in range(50):
                await scene.let_pass(timedelta(seconds=1))
            is_over = True
        await scene.submit()
    found = await database.fetch(
        "select count(*) as count, extract(epoch from max(tick_at) - min(tick_at))::int as span,"
        " count(distinct task_id) as tasks from hive.tick group by schedule_id"
    )
    # Each second from the first to the last one, and as many tasks.
    assert len(found) == 20
    for row in found:
        assert row["count"] == row["tasks"] == row["span"] + 1 >= 50
    assert await database.fetchval("select count(*) from hive.task") == sum(
        row["count"] for row in found
    )
