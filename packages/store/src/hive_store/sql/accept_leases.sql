-- Take leases into a worker's hands, unless they have lapsed or somebody else has them.
--
-- Accepting twice by the same worker is granted again, so that a worker whose reply was lost may
-- repeat it. The lease must not have expired by the database's clock.
--
-- $1 worker_id      uuid
-- $2 lease_ids      uuid[]
-- $3 lease_seconds  double precision  how long the lease now lasts without a renewal
--
-- returns: one row per lease granted
with held as materialized (
  select id
  from hive.lease
  where id = any($2::uuid[])
    and (accepted_at is null or worker_id = $1::uuid)
    and expires_at > statement_timestamp()
  order by id
  for update
)
update hive.lease l
set worker_id = $1::uuid, accepted_at = coalesce(l.accepted_at, clock_timestamp()),
    expires_at = clock_timestamp() + make_interval(secs => $3::double precision)
from held
where l.id = held.id
returning l.id, l.queen_id, l.open
