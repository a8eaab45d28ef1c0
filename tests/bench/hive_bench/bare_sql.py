"""The limit: what one connection does when it claims and finishes tasks and does nothing else.

Two statements, each its own durable commit, on Hive's own table with all its indexes. There are no
leases in a table of their own, no events, no attempts that are counted apart, and nobody runs
anything: nothing that keeps promises can be quicker on the same table.
"""

import time
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from hive_bench.ground import Ground
from hive_store import HOT_SETTINGS
from hive_store.connecting import connect

__all__ = ["drain_by_sql"]

BATCH: Final = 1000

CLAIM: Final = """
update hive.task t
set state = 'dispatched', claims = t.claims + 1, lease_id = $1
where t.id = any(array(
  select id from hive.task
  where queue = 'default' and needs = '' and state = 'queued' and priority = 0
    and (run_at, id) > ($2, $3)
  order by priority, run_at, id
  limit $4
  for update skip locked))
returning t.id, t.run_at, t.payload, t.claims
"""

FINISH: Final = """
update hive.task t
set state = 'succeeded', lease_id = null, ended_lease = $1, finished_at = clock_timestamp(),
    started_at = clock_timestamp(), outcome = 'succeeded', result = g.result::jsonb
from unnest($2::bigint[], $3::text[]) as g (id, result)
where t.id = g.id and t.lease_id = $1
"""


async def drain_by_sql(ground: Ground, database: str) -> float:
    """Drain a database that has queued tasks; return tasks a second."""
    connection = await connect(ground.url_of(database), settings=HOT_SETTINGS)
    try:
        lease, mark, done = uuid4(), (datetime(1970, 1, 1, tzinfo=UTC), 0), 0
        began = time.perf_counter()
        while rows := await connection.fetch(CLAIM, lease, *mark, BATCH):
            ids = [row["id"] for row in rows]
            mark = max((row["run_at"], row["id"]) for row in rows)
            await connection.fetch(FINISH, lease, ids, ["null"] * len(ids))
            done += len(ids)
        return done / (time.perf_counter() - began)
    finally:
        await connection.close()
