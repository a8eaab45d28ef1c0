-- Read of tasks what a list shows.
--
-- $1 task_ids  bigint[]
--
-- returns: one row per task found, newest first
select t.id, t.kind, t.queue, t.group_name, t.priority, t.state::text as state,
       t.claims - t.given_back as attempt, t.created_at, t.run_at, t.started_at, t.finished_at,
       t.error, coalesce(t.worker_id, l.worker_id) as worker_id, w.host as worker_host,
       statement_timestamp() as now,
       case when t.state = 'scheduled' then t.parked_reason end as parked_reason,
       t.needs, t.key,
       case when t.state = 'blocked' then coalesce(
         t.waits_for_limit, case when t.is_gated then 'tasks' when t.asked_at is not null then 'answer' else 'key' end)
       end as blocked_by,
       case when t.state in ('blocked', 'scheduled') then t.asked_at end as asked_at
from hive.task t
  left join hive.lease l on l.id = t.lease_id
  left join hive.worker w on w.id = coalesce(t.worker_id, l.worker_id)
where t.id = any($1::bigint[])
order by t.id desc
