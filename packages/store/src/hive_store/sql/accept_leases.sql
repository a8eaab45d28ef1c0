-- Take leases into a worker's hands, unless they have lapsed or somebody else has them.
--
-- Accepting twice by the same worker is granted again, so that a worker whose reply was lost may
-- repeat it. The lease must not have expired by the database's clock.
--
-- The task of a lease that has only one comes along if it is small: what waits alone waits for no
-- second round trip. Whatever does not surely fit into the buffers of a socket is read afterwards
-- (`read_leased_tasks`): a worker that freezes while it is sent would hold the lease's row.
--
-- $1 worker_id      uuid
-- $2 lease_ids      uuid[]
-- $3 lease_seconds  double precision  how long the lease now lasts without a renewal
--
-- returns: one row per lease granted, with the columns of `read_leased_tasks`, which are null without a task
with held as materialized (
  select id
  from hive.lease
  where id = any($2::uuid[])
    and (accepted_at is null or worker_id = $1::uuid)
    and expires_at > statement_timestamp()
  order by id
  for update
),
taken as (
  update hive.lease l
  set worker_id = $1::uuid, accepted_at = coalesce(l.accepted_at, clock_timestamp()),
      expires_at = clock_timestamp() + make_interval(secs => $3::double precision)
  from held
  where l.id = held.id
  returning l.id, l.queen_id, l.open, l.task_ids, l.granted_at
)
select l.id as granted_id, l.queen_id, l.open,
       t.id, t.lease_id, t.kind, t.queue, t.payload, t.claims - t.given_back as attempt, t.failures,
       t.given_back, t.max_attempts, t.timeout, t.goes_alone or t.max_losses = 0 as writes_start,
       date_part('epoch', l.granted_at - greatest(t.run_at, t.created_at)) as enqueued_seconds,
       t.retry, t.silence_timeout, t.cancel_requested_at is not null as is_cancelled
from taken l
  left join hive.task t
    on cardinality(l.task_ids) = 1 and t.id = l.task_ids[1] and t.lease_id = l.id 
      and pg_column_size(t.payload) <= 4096 and pg_column_compression(t.payload) is null
