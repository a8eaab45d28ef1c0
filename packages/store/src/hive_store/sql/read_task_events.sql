-- Read what the log has to say of one task; for people, not for cursors.
--
-- Events that list many tasks (submits, claims, successes) are looked for only where this task's must be: a
-- claim comes at most a minute before the attempt's start, or its end if it never started; that of a success
-- is written in the statement that ends it. (`offset 0` has
-- each of those places looked up; else the planner may read all lists and join them.)
--
-- $1 task_id  bigint
-- $2 limit    integer
--
-- returns: events, oldest first
with place as materialized (
  select created_at as begins, created_at + interval '1 minute' as ends
  from hive.task where id = $1::bigint
  union all
  select finished_at, finished_at + interval '1 minute'
  from hive.task where id = $1::bigint and state = 'succeeded'
  union all
  select at - interval '1 minute', at
  from (
    select coalesce(started_at, ended_at) as at from hive.attempt where task_id = $1::bigint
    union all
    select coalesce(t.started_at, l.granted_at, t.finished_at) + interval '1 second'
    from hive.task t left join hive.lease l on l.id = t.lease_id
    where t.id = $1::bigint and t.claims > 0
  ) as attempt
),
listed as (
  select distinct e.xid, e.id, e.at, e.type, e.task_id, e.task_ids, e.attempt, e.reason
  from place
    cross join lateral (
      select * from hive.event
      where task_ids is not null and at between place.begins and place.ends
        and $1::bigint = any(task_ids)
      offset 0
    ) as e
),
told as (
  select * from listed
  union all
  select xid, id, at, type, task_id, task_ids, attempt, reason
  from hive.event
  where task_id = $1::bigint
)
select xid::text::bigint as xid, id, at, type::text as type, task_id, task_ids, attempt, reason
from told
order by told.xid, told.id
limit $2::integer
