-- Read everything known of tasks.
--
-- $1 task_ids  bigint[]
--
-- returns: one row per task found
select t.id, t.kind, t.queue, t.group_name, t.key, t.unique_key, coalesce(t.has_turn, false) as has_turn,
       coalesce(t.is_gated, false) as is_gated, t.payload, t.needs, t.breaker, t.priority, t.submitted_priority,
       t.state::text as state,
       t.claims - t.given_back as attempt, t.given_back, t.failures, t.max_attempts, t.losses, t.max_losses, t.timeout,
       t.silence_timeout, t.retry,
       t.created_at, t.run_at, t.expires_at, t.started_at, t.finished_at, t.cancel_requested_at, t.lease_id,
       l.expires_at as lease_expires_at, coalesce(t.worker_id, l.worker_id) as worker_id,
       w.host as worker_host, w.pid as worker_pid, t.result, t.error,
       case when t.state = 'scheduled' then t.parked_at end as parked_at,
       case when t.state = 'scheduled' then t.parked_reason end as parked_reason,
       case when t.state in ('blocked', 'scheduled') then t.asked_at end as asked_at
from hive.task t
  left join hive.lease l on l.id = t.lease_id
  left join hive.worker w on w.id = coalesce(t.worker_id, l.worker_id)
where t.id = any($1::bigint[])
order by t.id
