-- Prolong the leases that a worker says it holds, and say which it still does.
--
-- The worker names them: a lease whose accept was granted but whose reply was lost is not prolonged,
-- and so lapses. What is not returned is gone, and the worker drops it. The row is enough, expired
-- or not: while nobody has reaped it, it is nobody else's.
--
-- $1 worker_id      uuid
-- $2 lease_ids      uuid[]
-- $3 lease_seconds  double precision
--
-- returns: one row per lease still held
with held as materialized (
  select id
  from hive.lease
  where id = any($2::uuid[]) and worker_id = $1::uuid
  order by id
  for update
)
update hive.lease l
set expires_at = clock_timestamp() + make_interval(secs => $3::double precision)
from held
where l.id = held.id
returning l.id
