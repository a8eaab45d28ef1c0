-- Read what is needed to run the tasks of leases that a worker has accepted.
--
-- A statement of its own, after the accept: it locks nothing, so a worker that freezes while it
-- reads large payloads holds no row that the reaper needs.
--
-- $1 worker_id  uuid
-- $2 lease_ids  uuid[]
--
-- returns: one row per task still held under the leases, in claim order within each
select t.id, t.lease_id, t.kind, t.queue, t.payload, t.claims - t.given_back as attempt, t.given_back,
       t.failures, t.max_attempts, t.timeout, t.goes_alone or t.max_losses = 0 as writes_start,
       t.cancel_requested_at is not null as is_cancelled,
       extract(epoch from l.granted_at - greatest(t.run_at, t.created_at))::double precision as enqueued_seconds
from hive.lease l
  cross join lateral unnest(l.task_ids) with ordinality as m (id, place)
  cross join lateral (
    select * from hive.task where id = m.id and lease_id = l.id limit 1
  ) t
where l.id = any($2::uuid[]) and l.worker_id = $1::uuid
order by l.id, m.place
