"""Tasks that need labels: who may claim them, which lines there are, what nobody can run."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from hive_contracts.errors import RefusedTaskError
from hive_contracts.ids import WorkerId
from hive_contracts.labels import joined, line_of
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import HeartbeatStore, open_line
from hive_store.claiming import Watermarks
from hive_store.onlooker import Onlooker, UnmetNeeds
from hive_testkit.ground import LEASE, Ground, open_ground

MINUTE = timedelta(minutes=1)
GPU = line_of("default", "gpu")
BOTH = line_of("default", "gpu,zone=eu")
ADD = "insert into hive.task (kind, needs) values ('trial', $1)"


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


async def enlist(
    database_url: str, *labels: str, queues: tuple[str, ...] = ("default",), slots: int = 4
) -> None:
    """Have a worker say that it lives."""
    async with open_line(database_url) as line:
        await HeartbeatStore(WorkerId(uuid4()), line).see(
            host="here",
            pid=1,
            version="0",
            queues=queues,
            slots=slots,
            is_draining=False,
            labels=labels,
        )


async def claimed(ground: Ground, line: str) -> int:
    bundles = await ground.queen.claim(
        line, limit=10, lease=LEASE, bundle_size=10, worker_count=1, watermarks=Watermarks()
    )
    return sum(bundle.size for bundle in bundles)


async def test_each_line_is_claimed_by_itself(ground: Ground) -> None:
    await ground.submit(1)
    await ground.submit(2, needs=("gpu",))
    await ground.submit(3, needs=("zone=eu", "gpu"))
    assert await claimed(ground, "default") == 1
    assert await claimed(ground, BOTH) == 3
    assert await claimed(ground, GPU) == 2
    assert await claimed(ground, line_of("other", "gpu")) == 0


async def test_a_lease_knows_its_line(ground: Ground) -> None:
    await ground.submit(1, needs=("gpu",))
    await claimed(ground, GPU)
    [lease] = await ground.queen.own_leases(living=MINUTE)
    assert lease.queue == GPU


async def test_a_task_tells_what_it_needs_and_stays_in_its_queue(ground: Ground) -> None:
    [task_id] = await ground.submit(1, needs=["zone=eu", "gpu", "gpu"], queue="images")
    record = await ground.tasks.read(task_id)
    assert (record.needs, record.queue) == (("gpu", "zone=eu"), "images")
    assert await ground.tasks.count() == {"images": {TaskState.QUEUED: 1}}


async def test_needs_go_together_with_other_conditions(ground: Ground) -> None:
    task = NewTask(kind="trial", key="k", unique_key="u", needs=("gpu",))
    [task_id] = await ground.tasks.submit([task])
    await ground.queen.grant_turns(batch_size=10)
    assert await claimed(ground, "default") == 0
    assert await claimed(ground, GPU) == 1
    assert (await ground.tasks.read(task_id)).needs == ("gpu",)


@pytest.mark.parametrize("needs", [("g pu",), ("",), ("a,b",), ("-x",), (7,), ("x" * 64,)])
async def test_what_is_no_label_is_refused(ground: Ground, needs: tuple[str, ...]) -> None:
    with pytest.raises(RefusedTaskError, match="a label is 1 to 63 letters"):
        await ground.submit(1, needs=needs)


async def test_one_text_is_not_taken_for_labels(ground: Ground) -> None:
    with pytest.raises(RefusedTaskError, match="needs is a tuple of labels, not 'gpu'"):
        await ground.submit(1, needs="gpu")


async def test_too_many_labels_are_refused(ground: Ground) -> None:
    with pytest.raises(RefusedTaskError, match="16 labels at most, not 17"):
        await ground.submit(1, needs=tuple(f"label{n}" for n in range(17)))


async def test_plain_sql_may_say_needs_in_any_order_and_is_refused_what_is_no_label(
    ground: Ground, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(ADD, " zone=eu , gpu,gpu ")
        assert await connection.fetchval("select needs from hive.task") == "gpu,zone=eu"
        assert await claimed(ground, BOTH) == 1
        with pytest.raises(asyncpg.CheckViolationError, match="not 'g pu'"):
            await connection.execute(ADD, "g pu")
        with pytest.raises(asyncpg.CheckViolationError, match="16 labels at most, not 17"):
            await connection.execute(ADD, joined(f"label{n}" for n in range(17)))
    finally:
        await connection.close()


async def test_a_line_has_the_slots_of_workers_that_have_all_its_labels(
    ground: Ground, database_url: str
) -> None:
    await enlist(database_url, slots=1)
    await enlist(database_url, "gpu", slots=2)
    await enlist(database_url, "gpu", "zone=eu", "fast", slots=4)
    await enlist(database_url, "gpu", "zone=eu", queues=("images",), slots=8)
    await ground.submit(1, needs=("gpu",))
    await ground.submit(1, needs=("gpu", "zone=eu"))
    await ground.submit(1, needs=("gpu", "zone=us"))
    capacity = await ground.queen.capacity(living=MINUTE)
    assert capacity.slots == {"default": 7, "images": 8, GPU: 6, BOTH: 4}
    assert capacity.workers == {"default": 3, "images": 1, GPU: 2, BOTH: 1}
    assert capacity.total_slots == 15


async def test_a_line_without_tasks_has_slots_for_a_queen_that_asks_for_it(
    ground: Ground, database_url: str
) -> None:
    await enlist(database_url, "gpu")
    assert GPU not in (await ground.queen.capacity(living=MINUTE)).slots
    assert (await ground.queen.capacity(living=MINUTE, lines=[GPU, BOTH])).slots == {
        "default": 4,
        GPU: 4,
    }


async def test_a_worker_learns_of_its_lines_while_something_waits_or_is_on_its_way(
    ground: Ground,
) -> None:
    await ground.submit(1, needs=("gpu",))
    await ground.submit(1, needs=("gpu", "zone=eu"))
    await ground.submit(1, needs=("gpu",), queue="images")
    lines = ground.worker.lines
    assert await lines(["default"], ["gpu"]) == [GPU]
    assert await lines(["default"], ["zone=eu", "gpu"]) == [GPU, BOTH]
    assert await lines(["default"], ["zone=eu"]) == []
    assert await lines(None, None) == [GPU, BOTH, line_of("images", "gpu")]
    bundle = await ground.claim(1, queue=GPU)
    assert await lines(["default"], ["gpu"]) == [GPU]
    await ground.worker.accept([bundle.lease_id], lease=LEASE)
    assert await lines(["default"], ["gpu"]) == []


async def test_what_no_living_worker_has_is_found(ground: Ground, database_url: str) -> None:
    await enlist(database_url, "gpu")
    await enlist(database_url, "zone=eu", "gpu", queues=("images",))
    await ground.submit(2, needs=("gpu",))
    await ground.submit(3, needs=("gpu", "zone=eu"))
    async with open_line(database_url) as line:
        assert await Onlooker(line).unmet_needs(living=MINUTE) == [
            UnmetNeeds(queue="default", needs=("gpu", "zone=eu"), count=3)
        ]
    assert await ground.queen.count_unmet(living=MINUTE) == {"default": 3}
    assert await ground.queen.count_unmet(living=timedelta(0)) == {"default": 5}


async def test_how_many_go_before_it_is_counted_in_its_own_line(
    ground: Ground, database_url: str
) -> None:
    await ground.submit(5)
    [_, second] = await ground.submit(2, needs=("gpu",))
    async with open_line(database_url) as line:
        assert (await Onlooker(line).look(second)).ahead == 1
