-- Read what is needed to run the tasks of leases that a worker has accepted.
--
-- A statement of its own, after the accept: it locks nothing, so a worker that freezes while it
-- reads large payloads holds no row that the reaper needs.
--
-- $1 worker_id  uuid
-- $2 lease_ids  uuid[]
--
-- returns: one row per task still held under the leases, in claim order within each; the columns are the fields of
--          hive_contracts.tasks.Task, in their order, and is_cancelled
select t.id, t.lease_id, t.kind, t.queue, t.payload, t.claims - t.given_back as attempt, t.failures,
       t.given_back, t.max_attempts, t.timeout, t.goes_alone or t.max_losses = 0 as writes_start,
       date_part('epoch', l.granted_at - greatest(t.run_at, t.created_at)) as enqueued_seconds,
       t.retry, t.silence_timeout, t.cancel_requested_at is not null as is_cancelled
from hive.lease l join hive.task t on t.id = any(l.task_ids) and t.lease_id = l.id
where l.id = any($2::uuid[]) and l.worker_id = $1::uuid
order by l.id, t.priority, t.run_at, t.id
