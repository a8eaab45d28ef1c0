-- What the workers run at this moment.
--
-- $1 most_tasks  integer  of each worker, the tasks that have run longest
--
-- returns: one row per worker that runs something
select l.worker_id, count(*)::integer as running,
       (array_agg(t.id order by t.started_at, t.id))[1:$1::integer] as task_ids
from hive.lease l
  cross join lateral unnest(l.task_ids) as named (id)
  join hive.task t on t.id = named.id and t.lease_id = l.id
where l.worker_id is not null and t.state = 'running'
group by l.worker_id
