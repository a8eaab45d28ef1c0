"""A limit holds while queens and workers are killed and it is changed; and no room in it is lost.

The witness is the event log: between the event of a claim and that of its end a task counts.
"""

import signal
from datetime import timedelta

import asyncpg

from hive_client import Hive
from hive_contracts.limits import Limit, LimitScope
from hive_testkit.cluster import Cluster, check, some_have_ended
from hive_testkit.waiting import until

TASKS = 40
AFTERWARDS = 20
WITHIN = timedelta(seconds=120)

MOST_AT_ONCE = """
with step as (
  select at, 1 as change
  from hive.event cross join lateral unnest(task_ids) as m (id) where type = 'dispatched'
  union all
  select at, -coalesce(cardinality(task_ids), 1)
  from hive.event where type in ('succeeded', 'failed', 'cancelled', 'released', 'lost', 'retried')
)
select max(running) from (
  select at, sum(change) over (order by at, change) as running from step
) counted
where at >= coalesce($1::timestamptz, '-infinity') and at < coalesce($2::timestamptz, 'infinity')
"""


async def test_a_limit_holds_through_kills_and_is_whole_again_afterwards(
    cluster: Cluster, hive: Hive
) -> None:
    await hive.set_limit(Limit(scope=LimitScope.KIND, target="command", max_running=3))
    for name in ("queen-1", "queen-2"):
        cluster.start(name, "queen")
    for name in ("worker-1", "worker-2"):
        cluster.start(name, "worker", "--async")
    task_ids = await cluster.submit(hive, TASKS)
    await some_have_ended(hive, task_ids, 5)
    connection = await asyncpg.connect(cluster.database_url)
    try:
        await cluster.freeze_at_work("worker-1")
        cluster.signal("worker-1", signal.SIGKILL)
        cluster.signal("queen-1", signal.SIGKILL)

        async def none_is_lost_any_more() -> bool:
            return await connection.fetchval(
                "select not exists (select from hive.lease where expires_at < now())"
                " and exists (select from hive.event where type in ('lost', 'released'))"
            )

        await until(none_is_lost_any_more, within_seconds=60)
        recovered_at = await connection.fetchval("select clock_timestamp()")
        await hive.wait_for_all(await cluster.submit(hive, AFTERWARDS), within=WITHIN)
        raised_at = await connection.fetchval("select clock_timestamp()")
        await hive.set_limit(Limit(scope=LimitScope.KIND, target="command", max_running=4))
        await hive.wait_for_all(await cluster.submit(hive, AFTERWARDS), within=WITHIN)
        await hive.wait_for_all(task_ids, within=WITHIN)
        assert await connection.fetchval(MOST_AT_ONCE, None, raised_at) == 3
        assert await connection.fetchval(MOST_AT_ONCE, recovered_at, raised_at) == 3
        assert await connection.fetchval(MOST_AT_ONCE, raised_at, None) == 4
    finally:
        await connection.close()
    await check(cluster, hive)
