"""Circuit breakers: what opens them, who is kept, who tries, and what closes them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError, UsageError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.limits import Breaker, Limit, LimitScope
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import Line
from hive_store.claiming import Watermarks
from hive_store.control_store import ControlStore
from hive_store.deeds import Actor, read_deeds
from hive_store.worker_store import Ending
from hive_testkit.ground import LEASE, Ground, open_ground
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TEAM = "anthropic:team"
MOST = 100


class Scene:
    """Tasks that share a breaker, and who runs them."""

    def __init__(self, ground: Ground, controls: ControlStore) -> None:
        self.ground = ground
        self.controls = controls
        self.lease_of: dict[TaskId, LeaseId] = {}

    async def submit(self, count: int, breaker: str | None = TEAM) -> list[TaskId]:
        return await self.ground.submit(count, breaker=breaker)

    async def claim(self, most: int = MOST) -> list[TaskId]:
        """Claim as limits allow, and accept; return what is held now."""
        await self.ground.queen.sweep_due(batch_size=MOST)
        claim = await self.ground.queen.limited.claim(
            "default",
            limit=most,
            lease=LEASE,
            bundle_size=1,
            worker_count=1,
            watermarks=Watermarks(),
            look_ahead=1000,
        )
        granted = await self.ground.worker.accept([b.lease_id for b in claim.bundles], lease=LEASE)
        held = {t.task.id: t.task.lease_id for t in await self.ground.worker.tasks_of(granted)}
        self.lease_of |= held
        return sorted(held)

    async def start(self, *task_ids: TaskId) -> list[TaskId]:
        """Write starts; return those that were written."""
        starts = await self.ground.worker.start([(i, self.lease_of[i]) for i in task_ids])
        assert set(starts.kept_by.values()) <= {TEAM}
        return sorted(starts.begun)

    async def begin(self, most: int = MOST) -> list[TaskId]:
        return await self.start(*await self.claim(most))

    def ending(self, task_id: TaskId, move: Move, outcome: OutcomeName) -> Ending:
        return Ending(task_id, self.lease_of[task_id], move, outcome)

    async def succeed(self, *task_ids: TaskId) -> None:
        for task_id in task_ids:
            ending = self.ending(task_id, Move.SUCCEED, OutcomeName.SUCCEEDED)
            assert await self.ground.worker.finish([ending])

    async def give_back(self, *task_ids: TaskId) -> None:
        for task_id in task_ids:
            ending = self.ending(task_id, Move.RELEASE, OutcomeName.RELEASED)
            assert await self.ground.worker.finish([ending])

    def signal(self, task_id: TaskId, seconds: float | None = None) -> Ending:
        ending = self.ending(task_id, Move.PARK, OutcomeName.RELEASED)
        return ending.replaced(error="429", backoff_seconds=seconds, opens_breaker=True)

    async def meet_quota(self, task_id: TaskId, seconds: float | None = None) -> None:
        assert await self.ground.worker.finish([self.signal(task_id, seconds)])

    async def close_proven(self) -> list[str]:
        names = await self.ground.queen.limited.close_proven_breakers()
        while await self.ground.queen.limited.free(batch_size=10):
            pass
        return names

    async def states(self, *task_ids: TaskId) -> list[TaskState]:
        found = await self.ground.tasks.states(task_ids)
        return [found[task_id] for task_id in task_ids]

    async def breaker(self) -> Breaker:
        [breaker] = await self.controls.breakers()
        return breaker

    async def left_seconds(self, database: Connection) -> float:
        until = (await self.breaker()).open_until
        assert until is not None
        now: datetime = await database.fetchval("select clock_timestamp()")
        return (until - now).total_seconds()


@pytest.fixture
async def scene(database_url: str, open_line: Callable[[], Line]) -> AsyncGenerator[Scene]:
    async with open_ground(database_url) as ground:
        yield Scene(ground, ControlStore(open_line(), Actor("ada", "here")))


async def test_after_a_signal_nothing_is_claimed_and_who_signalled_waits_with_the_others(
    scene: Scene,
) -> None:
    ids = await scene.submit(5)
    others = await scene.submit(2, None)
    first, second = await scene.begin(2)
    await scene.meet_quota(first)
    assert await scene.claim() == others
    assert await scene.states(first, *ids[2:]) == [TaskState.BLOCKED] * 4
    record = await scene.ground.tasks.read(first)
    assert (record.attempt, record.failures, record.breaker) == (0, 0, TEAM)
    assert await scene.breaker() == Breaker(
        name=TEAM,
        is_open=True,
        open_until=(await scene.breaker()).open_until,
        reason="429",
        waiting=4,
    )
    # What ran before goes on to its end.
    await scene.succeed(second)


async def test_what_was_claimed_and_had_not_begun_is_kept_and_loses_nothing(scene: Scene) -> None:
    await scene.submit(4)
    first, *others = await scene.claim()
    await scene.start(first)
    await scene.meet_quota(first)
    assert await scene.start(*others) == []
    await scene.give_back(*others)
    assert await scene.claim() == []
    records = [await scene.ground.tasks.read(task_id) for task_id in others]
    assert {(r.state, r.attempt, r.losses) for r in records} == {(TaskState.BLOCKED, 0, 0)}


async def test_a_start_that_was_written_before_is_granted_again(scene: Scene) -> None:
    await scene.submit(2)
    first, second = await scene.begin()
    await scene.meet_quota(first)
    assert await scene.start(second) == [second]


async def test_a_start_does_not_pass_an_opening_that_is_under_way(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(1)
    [task_id] = await scene.claim()
    opening = database.transaction()
    await opening.start()
    await database.execute("select hive.open_breaker($1)", TEAM)
    assert await scene.start(task_id) == []
    await opening.rollback()
    assert await scene.start(task_id) == [task_id]


async def test_an_opening_waits_for_the_starts_that_are_under_way(
    scene: Scene, database: Connection, somebody_waits: Callable[[], Awaitable[None]]
) -> None:
    [task_id, *_] = await scene.submit(2)
    first, second = await scene.claim()
    await scene.start(first)
    async with asyncio.TaskGroup() as group, database.transaction():
        assert await database.fetchval("select hive.is_shut($1, $2)", TEAM, second) is False
        signal = group.create_task(scene.meet_quota(first))
        await somebody_waits()
        assert not signal.done()
    assert await scene.states(task_id) == [TaskState.SCHEDULED]


async def test_half_open_one_at_a_time_tries_until_one_succeeds(
    scene: Scene, database: Connection
) -> None:
    ids = await scene.submit(5)
    await scene.begin(1)
    await scene.meet_quota(ids[0])
    assert await scene.claim() == []
    await pass_time(database, 31)
    [probe] = await scene.begin()
    assert await scene.claim() == []
    breaker = await scene.breaker()
    assert (breaker.is_open, breaker.probe_id) == (False, probe)
    assert await scene.close_proven() == []
    # It ends otherwise: another one tries.
    await scene.give_back(probe)
    [again] = await scene.begin()
    await scene.succeed(again)
    assert await scene.claim() == []
    assert await scene.close_proven() == [TEAM]
    assert await scene.controls.breakers() == []
    assert len(await scene.begin()) == 4


async def test_a_claimed_task_that_is_not_the_probe_does_not_begin_while_half_open(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(3)
    first, early, *_ = await scene.claim(2)
    await scene.start(first)
    await scene.meet_quota(first, 2.0)
    await pass_time(database, 3)
    [probe] = await scene.claim()
    assert await scene.start(early, probe) == [probe]


async def test_a_probe_that_works_for_long_lets_the_others_go(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(3)
    [first] = await scene.begin(1)
    await scene.meet_quota(first)
    await pass_time(database, 31)
    assert len(await scene.begin()) == 1
    assert await scene.close_proven() == []
    await database.execute("update hive.task set started_at = started_at - interval '61 s'")
    assert await scene.close_proven() == [TEAM]
    assert len(await scene.begin()) == 2


async def test_each_opening_in_a_row_lasts_twice_as_long_and_an_hour_at_most(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(1)
    seen: list[float] = []
    for _ in range(9):
        [task_id] = await scene.begin()
        await scene.meet_quota(task_id)
        seen.append(await scene.left_seconds(database))
        await scene.claim()
        await pass_time(database, 3601)
    for seconds, wanted in zip(seen, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600], strict=True):
        assert wanted - 30 < seconds <= wanted
    assert (await scene.breaker()).opened == 9


async def test_a_signal_while_it_is_open_makes_it_longer_and_never_shorter(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(3)
    first, second, third = await scene.begin()
    await scene.meet_quota(first, 300)
    before = (await scene.breaker()).open_until
    await scene.meet_quota(second)
    await scene.meet_quota(third, 10)
    assert (await scene.breaker()).open_until == before
    assert (await scene.breaker()).opened == 1
    await database.execute("select hive.keep_open($1, 600, 'later')", TEAM)
    assert await scene.left_seconds(database) > 500


async def test_a_stale_signal_opens_nothing_and_a_repeated_one_changes_nothing(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(2)
    first, second = await scene.begin()
    signal = scene.signal(first, 60)
    [written] = await scene.ground.worker.finish([signal])
    until = (await scene.breaker()).open_until
    [again] = await scene.ground.worker.finish([signal])
    assert (written.open, again.open) == (0, None)
    assert (await scene.breaker()).open_until == until
    await scene.controls.close_breaker(TEAM)
    await database.execute("update hive.lease set expires_at = now() - interval '1 second'")
    await scene.ground.queen.reap(batch_size=10)
    assert await scene.ground.worker.finish([scene.signal(second)]) == []
    assert await scene.controls.breakers() == []


async def test_without_a_breaker_a_quota_sets_the_task_aside(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(2, None)
    first, second = await scene.claim()
    await scene.meet_quota(first)
    await scene.meet_quota(second, 600)
    assert await scene.controls.breakers() == []
    now = datetime.now(UTC)
    waits = [(await scene.ground.tasks.read(i)).run_at - now for i in (first, second)]
    assert timedelta(seconds=1) < waits[0] <= timedelta(seconds=31)
    assert waits[1] > timedelta(seconds=500)
    assert await scene.states(first, second) == [TaskState.SCHEDULED] * 2


async def test_by_hand_it_is_open_until_it_is_closed_and_both_are_written_down(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    ids = await scene.submit(3)
    await scene.controls.open_breaker(TEAM, reason="a bill is due")
    assert await scene.claim() == []
    situation_of = await scene.breaker()
    assert (situation_of.is_open, situation_of.open_until) == (True, None)
    await scene.controls.open_breaker(TEAM, length=timedelta(minutes=5))
    assert (await scene.breaker()).open_until is not None
    assert await scene.controls.close_breaker(TEAM)
    assert not await scene.controls.close_breaker(TEAM)
    assert await scene.states(*ids) == [TaskState.QUEUED] * 3
    assert await scene.begin() == ids
    deeds = await read_deeds(open_line(), limit=10)
    assert [(deed.actor, deed.what, deed.target) for deed in deeds] == [
        ("ada", "close breaker", TEAM),
        ("ada", "open breaker", TEAM),
        ("ada", "open breaker", TEAM),
    ]


async def test_a_breaker_is_no_limit_that_is_listed_and_counts_beside_one(scene: Scene) -> None:
    await scene.controls.set_limit(Limit(scope=LimitScope.KIND, target="trial", max_running=2))
    ids = await scene.submit(4)
    others = await scene.submit(3, None)
    await scene.controls.open_breaker(TEAM)
    assert await scene.claim() == others[:2]
    assert await scene.claim() == []
    assert [used.limit.name for used in await scene.controls.limits()] == ["kind:trial"]
    await scene.controls.close_breaker(TEAM)
    await scene.succeed(*others[:2])
    assert len(await scene.begin()) == 2
    assert len(ids) == 4


async def test_what_names_no_breaker_is_refused_in_words(scene: Scene) -> None:
    with pytest.raises(RefusedTaskError, match="a breaker is 1 to 200 characters"):
        await scene.ground.tasks.submit([NewTask(kind="call", breaker="two words")])
    with pytest.raises(UsageError, match="a breaker is 1 to 200 characters"):
        await scene.controls.open_breaker("")
    with pytest.raises(UsageError, match="open for 0 to 366 days"):
        await scene.controls.open_breaker(TEAM, length=timedelta(days=400))


async def test_sql_may_name_and_open_a_breaker(database: Connection) -> None:
    await database.execute(
        "insert into hive.task (kind, payload, breaker) values ('call', '{}', 'p:a');"
        "select hive.open_breaker('p:a', interval '10 minutes', 'a test')"
    )
    assert await database.fetchval("select hive.close_breaker('p:a')")
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute("insert into hive.task (kind, breaker) values ('call', 'a b')")
