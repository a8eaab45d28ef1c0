"""Who is there, and who has the duties that one queen alone has."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeAlias

import asyncpg

from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import FleetStore, HeartbeatStore, Line, QueenStore, TaskStore, WorkerStore
from hive_store.budget import read_budget
from hive_store.claiming import Watermarks
from hive_testkit.timing import pass_time

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TERM: Final = timedelta(seconds=5)
MINUTE: Final = timedelta(minutes=1)


async def see(
    heartbeat: HeartbeatStore, *queues: str, slots: int = 2, is_draining: bool = False
) -> None:
    await heartbeat.see(
        host="here", pid=7, version="1", queues=queues, slots=slots, is_draining=is_draining
    )


async def test_one_queen_holds_the_term_and_keeps_its_number(
    open_queen: Callable[[], QueenStore],
) -> None:
    queen, other = open_queen(), open_queen()
    assert await queen.hold_term(term=TERM) == 1
    assert await other.hold_term(term=TERM) is None
    assert await queen.hold_term(term=TERM) == 1


async def test_an_expired_term_goes_to_another_with_a_higher_number(
    open_queen: Callable[[], QueenStore], database: Connection
) -> None:
    queen, other = open_queen(), open_queen()
    await queen.hold_term(term=TERM)
    await pass_time(database, 6)
    assert await other.hold_term(term=TERM) == 2
    assert await queen.hold_term(term=TERM) is None


async def test_a_queen_who_leaves_gives_the_term_up(open_queen: Callable[[], QueenStore]) -> None:
    queen, other = open_queen(), open_queen()
    await queen.hold_term(term=TERM)
    await queen.leave()
    assert await other.hold_term(term=TERM) == 2


async def test_a_queen_who_has_not_the_term_cannot_give_it_up(
    open_queen: Callable[[], QueenStore],
) -> None:
    queen, other = open_queen(), open_queen()
    await queen.hold_term(term=TERM)
    await other.leave()
    assert await open_queen().hold_term(term=TERM) is None


async def test_of_many_who_reach_for_the_term_at_once_one_gets_it(
    open_queen: Callable[[], QueenStore],
) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(open_queen().hold_term(term=TERM)) for _ in range(8)]
    assert sorted(answer.result() or 0 for answer in asked) == [0] * 7 + [1]


async def test_capacity_is_that_of_living_workers_who_do_not_drain(
    queen: QueenStore,
    open_line: Callable[[], Line],
    open_worker: Callable[[], WorkerStore],
    database: Connection,
) -> None:
    def heartbeat() -> HeartbeatStore:
        return HeartbeatStore(open_worker().worker_id, open_line())

    assert (await queen.capacity(living=MINUTE)).slots == {}
    await queen.see(host="here", pid=1, version="1")
    await see(heartbeat(), "default", slots=9)
    await pass_time(database, 61)
    await queen.see(host="here", pid=1, version="1")
    await see(heartbeat(), "default", "frontend", slots=2)
    await see(heartbeat(), "default", slots=3)
    await see(heartbeat(), "default", slots=5, is_draining=True)
    gone = open_worker()
    await see(HeartbeatStore(gone.worker_id, open_line()), "default", slots=7)
    await gone.leave()
    # A heartbeat that was given up by its sender may still be on its way.
    await see(HeartbeatStore(gone.worker_id, open_line()), "default", slots=7)
    capacity = await queen.capacity(living=MINUTE)
    assert capacity.queens == 1
    assert capacity.workers == {"default": 2, "frontend": 1}
    assert capacity.slots == {"default": 5, "frontend": 2}


async def test_the_fleet_tells_what_each_worker_holds(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    heartbeat: HeartbeatStore,
    open_line: Callable[[], Line],
) -> None:
    await see(heartbeat, "default")
    await tasks.submit([NewTask(kind="call") for _ in range(3)])
    [bundle] = await queen.claim(
        "default", limit=3, lease=MINUTE, bundle_size=3, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    fleet = FleetStore(open_line())
    [seen] = await fleet.workers(seen_within=MINUTE)
    assert (seen.id, seen.host, seen.pid, seen.queues) == (
        *(worker.worker_id, "here", 7),
        ("default",),
    )
    assert (seen.slots, seen.held, seen.is_draining) == (2, 3, False)
    assert 0 <= seen.unseen_seconds < 10
    record = await tasks.read((await worker.read([bundle.lease_id]))[0].task.id)
    assert (record.worker_id, record.worker_host, record.worker_pid) == (
        *(worker.worker_id, "here"),
        7,
    )
    await worker.leave()
    assert await fleet.workers(seen_within=MINUTE) == []


async def test_where_a_worker_was_is_known_after_it_has_left_until_it_is_forgotten(
    queen: QueenStore,
    worker: WorkerStore,
    heartbeat: HeartbeatStore,
    database: Connection,
    open_line: Callable[[], Line],
) -> None:
    fleet = FleetStore(open_line())
    await see(heartbeat, "default")
    [place] = (await fleet.places([worker.worker_id])).values()
    assert not place.has_left
    await worker.leave()
    [place] = (await fleet.places([worker.worker_id])).values()
    assert (place.host, place.pid, place.has_left) == ("here", 7, True)
    assert (await queen.capacity(living=MINUTE)).total_slots == 0
    assert (await read_budget(open_line())).workers == 0
    await pass_time(database, 3600)
    assert await queen.forget_the_dead(unseen=MINUTE) == 1
    assert await fleet.places([worker.worker_id]) == {}


async def test_the_dead_are_forgotten_unless_a_lease_names_them(
    tasks: TaskStore,
    queen: QueenStore,
    worker: WorkerStore,
    heartbeat: HeartbeatStore,
    database: Connection,
) -> None:
    await see(heartbeat, "default")
    await queen.see(host="here", pid=1, version="1")
    await tasks.submit([NewTask(kind="call")])
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    await pass_time(database, 3600)
    assert await queen.forget_the_dead(unseen=timedelta(days=1)) == 0
    assert await queen.forget_the_dead(unseen=MINUTE) == 1
    await queen.reap(batch_size=1)
    assert await queen.forget_the_dead(unseen=MINUTE) == 1


async def test_open_tasks_are_counted_by_queue_and_state(
    tasks: TaskStore, queen: QueenStore, worker: WorkerStore, database: Connection
) -> None:
    ids = await tasks.submit(
        [NewTask(kind="call", queue=queue) for queue in ("default", "default", "frontend")]
    )
    await database.execute("insert into hive.task (kind, state) values ('call', 'scheduled')")
    await tasks.cancel(ids[2:])
    [bundle] = await queen.claim(
        "default", limit=1, lease=MINUTE, bundle_size=1, worker_count=1, watermarks=Watermarks()
    )
    await worker.accept([bundle.lease_id], lease=MINUTE)
    await worker.start([(ids[0], bundle.lease_id)])
    counted = {(row.queue, row.state): row.count for row in await queen.count_open()}
    assert counted == {
        ("default", TaskState.QUEUED): 1,
        ("default", TaskState.SCHEDULED): 1,
        ("default", TaskState.RUNNING): 1,
    }
    assert (await tasks.count())["frontend"] == {TaskState.CANCELLED: 1}
    assert await tasks.count_recent_ends(seconds=60) == {TaskState.CANCELLED: 1}


async def test_a_leased_task_without_a_lease_and_a_wrong_count_are_orphans(
    tasks: TaskStore, queen: QueenStore, database: Connection
) -> None:
    await tasks.submit([NewTask(kind="call") for _ in range(4)])
    bundles = await queen.claim(
        "default", limit=4, lease=MINUTE, bundle_size=2, worker_count=1, watermarks=Watermarks()
    )
    assert await queen.count_orphans() == 0
    await database.execute("delete from hive.lease where id = $1", bundles[0].lease_id)
    assert await queen.count_orphans() == 2
    await database.execute("update hive.lease set open = 1")
    assert await queen.count_orphans() == 3
