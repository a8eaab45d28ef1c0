-- How many tasks wait or are leased, by queue: what the gauges show. Reads no ended task.
--
-- returns: one row per queue and state; `oldest_run_at` is when the longest waiting queued task fell due, `parked` how many of the scheduled are set aside, `asking` how many of the blocked and the scheduled ask a person something
select queue, 'queued' as state, count(*) as count, min(run_at) as oldest_run_at, 0::bigint as parked,
       0::bigint as asking
from hive.task where state = 'queued' group by queue
union all
select queue, 'blocked', count(*), null, 0, count(asked_at) from hive.task where state = 'blocked' group by queue
union all
select queue, 'scheduled', count(*), null, count(parked_at), count(asked_at) from hive.task where state = 'scheduled' group by queue
union all
select t.queue, t.state::text, count(*), null, 0, 0
from hive.lease l
  cross join lateral unnest(l.task_ids) as m (id)
  cross join lateral (
    select queue, state from hive.task where id = m.id and lease_id = l.id limit 1
  ) t
group by t.queue, t.state
