-- Write that attempts have succeeded, free their leases, and tell of it.
--
-- What `finish_tasks` does, for flushes in which nothing but successes is: nearly all of them. A row is written
-- by what is said here and not by what might be the case (20.7 instead of 25.5 µs of processor time a task, in
-- flushes of 500). Fence, order of locks and open counts are as described there. What had been written before is not
-- returned: of the tasks that are missing, `finish_tasks` says which.
--
-- $1 task_ids        bigint[]            each task once
-- $2 lease_ids       uuid[]              the lease of each, in the same order
-- $3 results         text[]              JSON; one value alone if all are alike
-- $4 run_seconds     double precision[]  how long the attempt ran
-- $5 distinct_leases uuid[]              the leases, each once
-- $6 worker_id       uuid                who reports
--
-- returns: the tasks that ended now, in one row for all that are alike, and one row per lease of which something ended
--          now: without tasks, with its queen and how much of it is still open
-- moves:   dispatched -> succeeded (succeed), running -> succeeded (succeed)
-- events:  succeeded
with held as materialized (
  select id, open, queen_id
  from hive.lease
  where id = any($5::uuid[])
  order by id
  for update
),
ended as (
  update hive.task t
  set state = 'succeeded', lease_id = null, ended_lease = g.lease_id, finished_at = clock_timestamp(),
      started_at = coalesce(t.started_at, clock_timestamp() - make_interval(secs => g.run_seconds)),
      worker_id = $6::uuid, outcome = 'succeeded',
      result = coalesce(g.result::jsonb, (select ($3::text[])[1]::jsonb)), error = null
  from unnest($1::bigint[], $2::uuid[], $3::text[], $4::double precision[]) as g (id, lease_id, result, run_seconds)
  where g.lease_id = any(array(select id from held)) and t.id = g.id and t.lease_id = g.lease_id
  returning t.id, t.ended_lease as lease_id, t.claims - t.given_back as attempt, t.key
),
counted as materialized (
  select lease_id, (array_agg(queen_id) filter (where queen_id is not null))[1] as queen_id, sum(open)::integer as open
  from (
    select id as lease_id, queen_id, open from held
    union all
    select lease_id, null, -1 from ended
  ) h
  group by lease_id
  having min(open) = -1
),
released as (
  delete from hive.lease l using counted c where l.id = c.lease_id and c.open = 0
),
shrunk as (
  update hive.lease l set open = c.open from counted c where l.id = c.lease_id and c.open > 0
),
freed as (
  insert into hive.key_wake (key)
  select distinct key from ended where key is not null
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from ended)))
),
told as (
  insert into hive.event (type, task_id, task_ids, attempt)
  select 'succeeded', case when count(*) = 1 then min(id) end, case when count(*) > 1 then array_agg(id order by id) end,
         attempt
  from ended
  group by attempt
)
select array_agg(id) as task_ids, 'succeeded' as state, 'succeeded' as outcome, attempt, lease_id, true as is_new,
       null::uuid as queen_id, null::integer as open
from ended
group by attempt, lease_id
union all
select null, null, null, null, lease_id, null, queen_id, open from counted
