"""Limits that hold for all queens together, and queues that are paused."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_contracts.errors import StoreUnavailableError, UnclaimableLineError, UsageError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.labels import joined, line_of
from hive_contracts.limits import Limit, LimitScope
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.control_store import ControlStore
from hive_store.deeds import Actor, read_deeds
from hive_store.granting import grant_all
from hive_store.limited_claiming import LimitedClaim
from hive_store.worker_store import Ending
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

MINUTE = timedelta(minutes=1)


class Scene:
    """Somebody who sets limits, and a worker who runs what the queens claim."""

    def __init__(
        self, tasks: TaskStore, queen: QueenStore, worker: WorkerStore, controls: ControlStore
    ) -> None:
        self.tasks = tasks
        self.queen = queen
        self.worker = worker
        self.controls = controls
        self.lease_of: dict[TaskId, LeaseId] = {}

    async def submit(self, count: int, kind: str = "call", **options: object) -> list[TaskId]:
        return await self.tasks.submit([NewTask(kind=kind, **options)] * count)  # pyright: ignore[reportArgumentType]

    async def limit(self, scope: str, target: str, **allowed: object) -> None:
        await self.controls.set_limit(
            Limit(scope=LimitScope(scope), target=target, **allowed)  # pyright: ignore[reportArgumentType]
        )

    async def claim(
        self, most: int = 100, *, queen: QueenStore | None = None, line: str = "default"
    ) -> LimitedClaim:
        return await (queen or self.queen).limited.claim(
            line,
            limit=most,
            lease=MINUTE,
            bundle_size=1,
            worker_count=1,
            watermarks=Watermarks(),
            look_ahead=1000,
        )

    async def begin(
        self, most: int = 100, *, queen: QueenStore | None = None, line: str = "default"
    ) -> list[TaskId]:
        """Claim and accept, in claim order; return what runs now."""
        claim = await self.claim(most, queen=queen, line=line)
        leases = [bundle.lease_id for bundle in claim.bundles]
        granted = await self.worker.accept(leases, lease=MINUTE)
        begun = {each.task.lease_id: each.task.id for each in await self.worker.tasks_of(granted)}
        self.lease_of |= {task_id: lease_id for lease_id, task_id in begun.items()}
        return sorted(begun.values())

    async def end(self, *task_ids: TaskId) -> None:
        endings = [
            Ending(
                task_id=task_id,
                lease_id=self.lease_of[task_id],
                move=Move.SUCCEED,
                outcome=OutcomeName.SUCCEEDED,
            )
            for task_id in task_ids
        ]
        assert await self.worker.finish(endings)

    async def states(self, *task_ids: TaskId) -> list[TaskState]:
        found = await self.tasks.states(task_ids)
        return [found[task_id] for task_id in task_ids]


@pytest.fixture
def scene(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, open_line: Callable[[], Line]
) -> Scene:
    return Scene(tasks, queen, worker, ControlStore(open_line(), Actor("ada", "here")))


async def claim_plainly(queen: QueenStore, most: int = 100) -> int:
    bundles = await queen.claim(
        "default",
        limit=most,
        lease=MINUTE,
        bundle_size=most,
        worker_count=1,
        watermarks=Watermarks(),
    )
    return sum(bundle.size for bundle in bundles)


async def test_no_more_of_a_kind_run_than_its_limit_and_others_pass_them(scene: Scene) -> None:
    agents = await scene.submit(5, "agent")
    calls = await scene.submit(3)
    await scene.limit("kind", "agent", max_running=2)
    assert await scene.begin() == [*agents[:2], *calls]
    assert await scene.states(*agents[2:]) == [TaskState.BLOCKED] * 3
    assert await scene.begin() == []
    await scene.end(agents[1])
    assert await scene.begin() == [agents[2]]


async def test_who_is_held_up_is_told_once_and_by_what(scene: Scene, database: Connection) -> None:
    agents = await scene.submit(3, "agent")
    await scene.limit("kind", "agent", max_running=1)
    assert await scene.begin() == agents[:1]
    assert await scene.begin() == []
    told = await database.fetch("select task_ids, reason from hive.event where type = 'held_up'")
    assert [(sorted(row["task_ids"]), row["reason"]) for row in told] == [
        (agents[1:], "kind:agent")
    ]


async def test_a_line_with_needs_is_served_while_all_of_it_waits_for_a_limit(scene: Scene) -> None:
    needing = await scene.submit(2, "agent", needs=("gpu",))
    plain = await scene.submit(1, "agent")
    await scene.limit("kind", "agent", max_running=1)
    line = line_of("default", "gpu")
    assert await scene.begin(line=line) == needing[:1]
    assert await scene.begin() == []
    assert await scene.begin(line=line) == []
    assert await scene.states(needing[1], *plain) == [TaskState.BLOCKED] * 2
    assert await scene.worker.lines(["default"], ["gpu"]) == [line]
    await scene.end(needing[0])
    assert await scene.begin(line=line) == needing[1:]


async def test_a_queue_at_its_limit_keeps_its_tasks_queued(scene: Scene) -> None:
    ids = await scene.submit(4)
    await scene.limit("queue", "default", max_running=3)
    assert await scene.begin() == ids[:3]
    assert await scene.states(ids[3]) == [TaskState.QUEUED]
    assert (await scene.claim()).is_used_up
    await scene.end(ids[0])
    assert await scene.begin() == [ids[3]]


async def test_a_row_that_breaks_a_rule_holds_up_its_own_line_and_no_other(
    scene: Scene, database: Connection
) -> None:
    await scene.limit("kind", "agent", max_running=1)
    [first, second] = await scene.submit(2, kind="agent")
    assert await scene.begin() == [first]
    # What no statement of Hive writes: it waits for a limit and for other tasks.
    await database.execute("update hive.task set is_gated = true where id = $1", second)
    await scene.end(first)
    with pytest.raises(
        UnclaimableLineError, match=r"nothing of default .*a_task_that_waits_for_others"
    ):
        await scene.claim()
    [other] = await scene.submit(1, queue="other")
    assert await scene.begin(line="other") == [other]
    await database.execute("update hive.task set is_gated = null where id = $1", second)
    assert await scene.begin() == [second]


async def test_keys_that_begin_alike_share_a_limit(scene: Scene) -> None:
    keyed = [
        NewTask(kind="call", key=f"{tenant}:{n}") for tenant in ("acme", "beta") for n in range(3)
    ]
    ids = await scene.tasks.submit(keyed)
    while (await scene.queen.grant_turns(batch_size=100)).taken:
        pass
    await scene.limit("key", "acme:", max_running=1)
    assert await scene.begin() == [ids[0], *ids[3:]]
    await scene.end(ids[0])
    assert await scene.begin() == [ids[1]]


async def test_a_task_runs_when_all_its_limits_have_room(scene: Scene) -> None:
    await scene.limit("kind", "agent", max_running=2)
    await scene.limit("queue", "default", max_running=3)
    agents = await scene.submit(10, "agent")
    calls = await scene.submit(10)
    assert await scene.begin() == [*agents[:2], calls[0]]
    await scene.end(calls[0])
    assert await scene.begin() == [calls[1]]
    await scene.end(agents[0], calls[1])
    assert await scene.begin() == [agents[2], calls[2]]


async def test_under_a_limit_the_most_urgent_goes_first_and_then_the_oldest(scene: Scene) -> None:
    await scene.limit("kind", "agent", max_running=1)
    late = await scene.submit(2, "agent", priority=5)
    assert await scene.begin() == [late[0]]
    [urgent] = await scene.submit(1, "agent", priority=1)
    await scene.end(late[0])
    assert await scene.begin() == [urgent]
    [later] = await scene.submit(1, "agent", priority=5)
    await scene.end(urgent)
    assert await scene.begin() == [late[1]]
    await scene.end(late[1])
    assert await scene.begin() == [later]


async def test_who_waits_for_two_limits_is_in_nobodys_way(scene: Scene) -> None:
    await scene.limit("kind", "agent", max_running=1)
    await scene.limit("key", "acme:", max_running=0)
    keyed = [NewTask(kind="agent", key=f"acme:{n}") for n in range(20)]
    acme = await scene.tasks.submit(keyed)
    [other] = await scene.submit(1, "agent")
    while (await scene.queen.grant_turns(batch_size=100)).taken:
        pass
    # They came first, but take no room of the kind while their key has none.
    assert await scene.begin() == [other]
    assert set(await scene.states(*acme)) == {TaskState.BLOCKED}
    await scene.limit("key", "acme:", max_running=2)
    assert await scene.begin() == []
    await scene.end(other)
    begun = [*await scene.begin(), *await scene.begin()]
    assert begun == acme[:1]


async def test_a_lost_worker_gives_its_place_back_with_its_lease(
    scene: Scene, database: Connection
) -> None:
    await scene.limit("kind", "agent", max_running=2)
    first = await scene.submit(4, "agent")
    assert await scene.begin() == first[:2]
    await pass_time(database, 61)
    assert await scene.begin() == []
    await scene.queen.reap(batch_size=10)
    assert len(await scene.begin()) == 2


async def test_a_limit_may_be_changed_at_any_time_and_counts_what_ran_before(scene: Scene) -> None:
    ids = await scene.submit(6, "agent")
    assert await claim_plainly(scene.queen, 3) == 3
    await scene.limit("kind", "agent", max_running=2)
    assert await claim_plainly(scene.queen) == 0, "a queen who has not heard of the limit"
    assert await scene.begin() == []
    await scene.limit("kind", "agent", max_running=5)
    assert await scene.begin() == ids[3:5]
    await scene.limit("kind", "agent", max_running=0)
    assert await scene.begin() == []


async def test_a_limit_that_is_lifted_frees_all_who_wait(scene: Scene) -> None:
    await scene.limit("kind", "agent", max_running=1)
    ids = await scene.submit(5, "agent")
    assert await scene.begin() == ids[:1]
    assert await scene.controls.remove_limit(LimitScope.KIND, "agent")
    assert await scene.states(*ids[1:]) == [TaskState.QUEUED] * 4
    assert await claim_plainly(scene.queen) == 4
    assert not await scene.controls.remove_limit(LimitScope.KIND, "agent")


async def test_a_queen_frees_those_whose_limit_was_lifted_by_plain_sql(
    scene: Scene, database: Connection
) -> None:
    await scene.limit("kind", "agent", max_running=0)
    await scene.limit("kind", "call", max_running=0)
    ids = await scene.submit(3, "agent")
    kept = await scene.submit(2)
    assert await scene.begin() == []
    assert await database.fetchval("select hive.remove_limit('kind', 'agent')")
    assert await scene.queen.limited.free(batch_size=2) == 2
    assert await scene.queen.limited.free(batch_size=2) == 1
    assert await scene.queen.limited.free(batch_size=2) == 0
    assert await scene.states(*ids) == [TaskState.QUEUED] * 3
    assert await scene.states(*kept) == [TaskState.BLOCKED] * 2


async def test_a_task_called_off_or_revived_waits_for_no_limit(
    scene: Scene, database: Connection
) -> None:
    await scene.limit("kind", "agent", max_running=0)
    [task_id] = await scene.submit(1, "agent", key="a")
    await scene.queen.grant_turns(batch_size=10)
    await scene.begin()
    assert await scene.states(task_id) == [TaskState.BLOCKED]
    await scene.tasks.cancel([task_id])
    await scene.tasks.revive([task_id])
    waits = "select waits_for_limit from hive.task where id = $1"
    assert await database.fetchval(waits, task_id) is None


async def test_who_waits_for_a_limit_and_is_made_to_come_after_another_waits_for_that_first(
    scene: Scene, database: Connection
) -> None:
    [parent] = await scene.submit(1, run_at=datetime.now(UTC) + MINUTE)
    running, waiting = await scene.submit(2, "agent")
    await scene.limit("kind", "agent", max_running=1)
    assert await scene.begin() == [running]
    await database.execute(
        "insert into hive.dependency (child_id, parent_id, if_parent_fails) values ($1, $2, 'run')",
        waiting,
        parent,
    )
    await scene.end(running)
    assert await scene.begin() == []
    assert await scene.states(waiting) == [TaskState.BLOCKED]
    [other] = await scene.submit(1, "agent")
    assert await scene.begin() == [other]
    await scene.tasks.cancel([parent])
    await grant_all(scene.queen, batch_size=10)
    assert await scene.begin() == []
    await scene.end(other)
    assert await scene.begin() == [waiting]


async def test_many_queens_at_once_never_exceed_a_limit(
    scene: Scene, open_queen: Callable[[], QueenStore], database: Connection
) -> None:
    """After each round of claims the rows are the witness: nobody can count better than they."""
    await scene.limit("kind", "agent", max_running=3)
    await scene.limit("queue", "default", max_running=5)
    await scene.submit(40, "agent")
    await scene.submit(40)
    queens = [open_queen() for _ in range(4)]
    ended = 0
    most_agents = most = 0
    for _ in range(60):
        async with asyncio.TaskGroup() as group:
            for each in queens:
                group.create_task(scene.claim(4, queen=each))
        leased = await database.fetch(
            "select id, kind, lease_id from hive.task where lease_id is not null"
        )
        agents = sum(row["kind"] == "agent" for row in leased)
        most_agents, most = max(most_agents, agents), max(most, len(leased))
        leases = [LeaseId(row["lease_id"]) for row in leased]
        await scene.worker.accept(leases, lease=MINUTE)
        scene.lease_of |= {TaskId(row["id"]): LeaseId(row["lease_id"]) for row in leased}
        await scene.end(*[TaskId(row["id"]) for row in leased])
        ended += len(leased)
        if ended == 80:
            break
    assert (most_agents, most, ended) == (3, 5, 80)


async def test_a_claim_counts_what_another_took_while_it_waited_for_the_lock(
    scene: Scene,
    open_queen: Callable[[], QueenStore],
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    await scene.limit("kind", "agent", max_running=2)
    await scene.submit(4, "agent")
    other = open_queen()
    async with open_line().lent() as first, asyncio.TaskGroup() as group:
        transaction = first.transaction()
        await transaction.start()
        await first.fetch("select from hive.lock_limits('default', 1)")
        waiting = group.create_task(scene.claim(queen=other))
        await somebody_waits()
        # What the first claims now, the second must see, although its statement is older.
        await first.execute(
            "with l as (insert into hive.lease (id, queen_id, queue, task_ids, open, expires_at)"
            " select gen_random_uuid(), gen_random_uuid(), 'default', array_agg(id), 1,"
            " now() + interval '1 min' from (select id from hive.task order by id desc limit 1) t"
            " returning id, task_ids)"
            " update hive.task t set state = 'dispatched', lease_id = l.id from l"
            " where t.id = l.task_ids[1]"
        )
        await transaction.commit()
        assert len((await waiting).bundles) == 1


async def test_who_leaves_a_transaction_open_on_a_limit_stops_nobody_for_long(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    await scene.limit("kind", "agent", max_running=2)
    await scene.submit(1, "agent")
    async with open_line().lent() as own, own.transaction():
        await own.execute("select hive.set_limit('kind', 'agent', 3)")
        with pytest.raises(StoreUnavailableError, match="lock timeout"):
            await scene.claim()
    assert len((await scene.claim()).bundles) == 1


async def test_a_rate_lets_a_burst_start_and_then_as_many_as_come_in(
    scene: Scene, database: Connection
) -> None:
    await scene.submit(100)
    await scene.limit("queue", "default", rate=1 / 60, burst=20)
    assert len((await scene.claim()).bundles) == 20
    stopped = await scene.claim()
    assert stopped.bundles == []
    assert 0 < (stopped.next_seconds or 0) <= 60
    await pass_time(database, 150)
    assert len((await scene.claim()).bundles) == 2
    await pass_time(database, 86_400)
    assert len((await scene.claim()).bundles) == 20


async def test_a_rate_that_is_changed_brings_no_burst(scene: Scene) -> None:
    await scene.submit(30)
    await scene.limit("queue", "default", rate=0.001, burst=5)
    assert len((await scene.claim()).bundles) == 5
    await scene.limit("queue", "default", rate=0.002, burst=10)
    assert (await scene.claim()).bundles == []


@given(
    tokens=st.floats(0, 100),
    rate=st.floats(0.001, 1000),
    burst=st.integers(1, 100),
    seconds=st.integers(-1000, 10_000),
)
async def test_a_bucket_gains_its_rate_and_never_more_than_its_burst(
    database: Connection, tokens: float, rate: float, burst: int, seconds: int
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found = await database.fetchval(
        "select hive.refilled($1, $2, $3, $4, $5)",
        tokens,
        at,
        rate,
        burst,
        at + timedelta(seconds=seconds),
    )
    assert found == pytest.approx(min(burst, tokens + rate * max(0, seconds)))


async def test_nothing_of_a_paused_queue_is_claimed_and_what_runs_goes_on(scene: Scene) -> None:
    running, *rest = await scene.submit(3)
    assert await scene.begin(1) == [running]
    assert await scene.controls.pause("default", reason="a new model")
    assert not await scene.controls.pause("default")
    assert await claim_plainly(scene.queen) == 0
    assert await scene.begin() == []
    [paused] = await scene.controls.paused()
    assert (paused.name, paused.by, paused.reason) == ("default", "ada", "a new model")
    assert await scene.controls.count_leased("default") == 1
    await scene.end(running)
    assert await scene.controls.count_leased("default") == 0
    assert await scene.controls.resume("default")
    assert not await scene.controls.resume("default")
    assert await claim_plainly(scene.queen) == len(rest)


async def test_a_limited_queue_can_be_paused_too(scene: Scene) -> None:
    await scene.limit("kind", "call", max_running=1)
    ids = await scene.submit(2)
    await scene.controls.pause("default")
    assert await scene.begin() == []
    await scene.controls.resume("default")
    assert await scene.begin() == ids[:1]


async def test_tasks_move_to_another_queue_while_nobody_has_them(scene: Scene) -> None:
    held, *rest = await scene.submit(3)
    await scene.begin(1)
    assert await scene.controls.move([held, *rest], queue="slow") == rest
    assert {(await scene.tasks.read(i)).queue for i in rest} == {"slow"}
    assert (await scene.tasks.read(held)).queue == "default"


async def test_every_act_is_written_down_with_who_and_where(
    scene: Scene, database: Connection, open_line: Callable[[], Line]
) -> None:
    await scene.controls.pause("default", reason="a new model")
    await scene.controls.resume("default")
    await scene.limit("kind", "agent", max_running=4, rate=2.0)
    await scene.controls.remove_limit(LimitScope.KIND, "agent")
    ids = await scene.submit(2)
    await scene.controls.move(ids, queue="slow")
    assert await scene.controls.move([TaskId(ids[1] + 1)], queue="slow") == []
    await database.fetchval("select hive.pause_queue('other')")
    line = open_line()
    acts = await read_deeds(line, limit=10)
    assert [(act.what, act.target) for act in acts] == [
        ("pause", "other"),
        ("move tasks", "slow"),
        ("remove limit", "kind:agent"),
        ("set limit", "kind:agent"),
        ("resume", "default"),
        ("pause", "default"),
    ]
    assert {(act.actor, act.host) for act in acts[1:]} == {("ada", "here")}
    assert acts[1].details == {"tasks": 2, "first": ids[0]}
    assert acts[3].details == {"max_running": 4, "rate": 2, "burst": 2}
    assert [act.what for act in await read_deeds(line, target="default", limit=1)] == ["resume"]


async def test_what_is_taken_back_was_never_done(
    scene: Scene, open_line: Callable[[], Line]
) -> None:
    line = open_line()
    async with line.lent() as own:
        transaction = own.transaction()
        await transaction.start()
        await own.execute("select hive.pause_queue('default', 'a try')")
        await transaction.rollback()
    assert await read_deeds(line, limit=1) == []
    assert await scene.controls.paused() == []


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit(scope=LimitScope.KIND, target="a b", max_running=1), "a kind is 1 to 200 char"),
        (Limit(scope=LimitScope.KIND, target="a"), "says how many tasks run at once"),
        (Limit(scope=LimitScope.KIND, target="a", max_running=-1), "not -1"),
        (Limit(scope=LimitScope.KIND, target="a", rate=0.0), "a rate is from"),
        (Limit(scope=LimitScope.KIND, target="a", max_running=1, burst=2), "give a rate too"),
        (Limit(scope=LimitScope.KIND, target="a", rate=1.0, burst=0), "not 0"),
    ],
)
async def test_what_is_no_limit_is_refused_in_words(scene: Scene, limit: Limit, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await scene.controls.set_limit(limit)


GPU = line_of("default", "gpu")
WIDE = line_of("default", joined((), 2))


@pytest.mark.parametrize(("first", "second"), [(GPU, "default"), ("default", GPU)])
async def test_a_limit_of_a_kind_holds_for_tasks_with_needs_and_without_together(
    scene: Scene, first: str, second: str
) -> None:
    await scene.limit("kind", "agent", max_running=2)
    ids = {
        "default": await scene.submit(3, "agent"),
        GPU: await scene.submit(3, "agent", needs=("gpu",)),
    }
    assert await scene.begin(line=first) == ids[first][:2]
    assert await scene.begin(line=second) == []
    assert await scene.states(*ids[second]) == [TaskState.BLOCKED] * 3
    await scene.end(ids[first][0])
    assert await scene.begin(line=second) == ids[second][:1]
    assert await scene.begin(line=first) == []
    await scene.end(ids[first][1], ids[second][0])
    assert await scene.begin(line=first) == ids[first][2:]
    assert await scene.begin(line=second) == ids[second][1:2]


@pytest.mark.parametrize(("scope", "target"), [("kind", "call"), ("key", "site"), ("queue", None)])
async def test_a_task_of_several_slots_counts_as_so_many_in_every_limit(
    scene: Scene, scope: str, target: str | None
) -> None:
    await scene.limit(scope, target or "default", max_running=5)
    light = [(await scene.submit(1, key=f"site{n}"))[0] for n in range(3)]
    wide = [(await scene.submit(1, key=f"site{n}", slots=2))[0] for n in range(3, 7)]
    await scene.queen.grant_turns(batch_size=100)
    assert await scene.begin(line=WIDE) == wide[:2]
    assert (await scene.controls.limits())[0].running == 4
    assert await scene.begin() == light[:1]
    assert await scene.begin(line=WIDE) == await scene.begin() == []
    await scene.end(light[0])
    assert await scene.begin(line=WIDE) == []
    await scene.end(wide[0])
    assert await scene.begin(line=WIDE) == wide[2:3]
    assert await scene.begin() == light[1:2]


async def test_a_task_of_more_slots_than_a_limit_allows_takes_all_of_it(scene: Scene) -> None:
    wide = await scene.submit(2, slots=2)
    light = await scene.submit(1)
    await scene.limit("kind", "call", max_running=1)
    assert await scene.begin(line=WIDE) == wide[:1]
    assert await scene.begin() == []
    await scene.end(wide[0])
    assert await scene.begin() == light
    assert await scene.begin(line=WIDE) == []
    await scene.limit("kind", "call", max_running=0)
    await scene.end(light[0])
    assert await scene.begin(line=WIDE) == []


async def test_what_a_task_takes_of_a_limit_is_counted_under_the_lock_as_its_room_is(
    scene: Scene,
    open_line: Callable[[], Line],
    somebody_waits: Callable[[], Awaitable[None]],
) -> None:
    await scene.limit("kind", "call", max_running=2)
    await scene.submit(4, slots=4)
    async with open_line().lent() as first, asyncio.TaskGroup() as group:
        transaction = first.transaction()
        await transaction.start()
        await first.execute("select hive.set_limit('kind', 'call', 8)")
        waiting = group.create_task(scene.claim(line=line_of("default", joined((), 4))))
        await somebody_waits()
        await transaction.commit()
        assert len((await waiting).bundles) == 2


async def test_a_task_of_several_slots_takes_as_many_tokens_of_a_rate(
    scene: Scene, database: Connection
) -> None:
    wide = await scene.submit(4, slots=2)
    light = await scene.submit(2)
    await scene.limit("kind", "call", rate=0.01, burst=5)
    assert await scene.begin(line=WIDE) == wide[:2]
    claim = await scene.claim(line=WIDE)
    assert claim.bundles == []
    assert claim.next_seconds is not None
    assert 0 < claim.next_seconds <= 100
    assert await scene.begin() == light[:1]
    await pass_time(database, 205)
    assert await scene.begin(line=WIDE) == wide[2:3]
