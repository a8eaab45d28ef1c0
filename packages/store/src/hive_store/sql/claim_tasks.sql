-- Lease up to $3 queued tasks of one line of a queue to a queen, most urgent first, in bundles.
--
-- Claim order is (priority, run_at, id). The caller gives it as intervals of that order that may
-- still hold tasks: everything in the first claim, later only what lies behind the watermark of each
-- priority, so that a claim does not step over the dead entries of tasks that were claimed before
-- (without it a held snapshot slowed a drain from 47k to 28k tasks/s). The intervals are
-- read in the order given, and lazily: the limit stops the reading.
--
-- SKIP LOCKED lets queens claim at once without waiting for one another. One task fills a bundle by
-- itself if it `goes_alone`; the others share bundles of at most $5, spread over $6 workers. Rows are
-- found again by a bundle's whole array of ids: one descent of the index for all that lie together.
--
-- Nothing here is joined but rows with their index: whatever the planner believes about the size of
-- the table (a plan is made once, mostly while it is empty), there is no slow way to do it.
-- Payloads are not returned: a queen that froze while it read them would hold the rows, without a
-- lease that could lapse.
--
-- Nothing is claimed of a queue that is paused, nor of one that a limit holds for: that is for
-- `claim_limited_tasks`. Both are asked here, so that no queen needs to have heard of it. (An empty
-- table each, once a claim.)
--
-- The move's guard is `candidate`, which holds the rows locked. Repeating it where they are written
-- would let the planner read the whole of `task_claimable` there, instead of the primary key.
--
-- $1 queen_id          uuid
-- $2 queue             text
-- $3 limit             integer           most tasks to take
-- $4 lease_seconds     double precision  how long the leases last unless they are accepted
-- $5 bundle_size       integer           most tasks in a bundle
-- $6 worker_count      integer           over how many workers to spread, at least 1
-- $7 after_priorities  smallint[]        each interval begins behind (priority, run_at, id) ...
-- $8 after_run_ats     timestamptz[]
-- $9 after_ids         bigint[]
-- $10 last_priorities  smallint[]        ... and ends with this priority
-- $11 needs            text              what the tasks need of their worker; '' for those that need nothing
--
-- A lease lists its tasks in no promised order: who reads them sorts them.
--
-- returns: one row per lease and priority, with the last task in it
-- moves:   queued -> dispatched (claim)
-- events:  dispatched
with candidate as materialized (
  select t.id, t.kind, t.priority, t.run_at, t.goes_alone, row_number() over () as place
  from unnest($7::smallint[], $8::timestamptz[], $9::bigint[], $10::smallint[])
    as i (priority, run_at, id, last_priority)
  cross join lateral (
    select id, kind, priority, run_at, goes_alone
    from hive.task
    where queue = $2::text and needs = $11::text and state = 'queued'
      and (priority, run_at, id) > (i.priority, i.run_at, i.id)
      and priority <= i.last_priority
    order by priority, run_at, id
    limit $3::integer
    for update skip locked
  ) t
  where not exists (select from hive.queue where name = $2::text and is_paused)
    and not exists (select from hive.usage_limit where scope <> 'queue' or target = $2::text)
  limit $3::integer
),
placed as materialized (
  select id, kind, priority, run_at, place,
         case when goes_alone then -place
              else (place - 1) / greatest(1, least(
                $5::integer, ceil((select count(*) from candidate) / $6::integer::double precision)::integer))
         end as number
  from candidate
),
part as materialized (
  select priority, task_ids, kinds, last_run_at,
         first_value(new_id) over (partition by number order by priority) as lease_id
  from (
    select number, priority, array_agg(id order by place) as task_ids, array_agg(distinct kind) as kinds,
           max(run_at) as last_run_at, gen_random_uuid() as new_id
    from placed
    group by number, priority
  ) p
),
granted as (
  insert into hive.lease (id, queen_id, queue, needs, task_ids, open, expires_at)
  select lease_id, $1::uuid, $2::text, $11::text, array_agg(m.id), count(*),
         clock_timestamp() + make_interval(secs => $4::double precision)
  from part cross join lateral unnest(task_ids) m (id)
  group by lease_id
),
moved as (
  update hive.task t
  set state = 'dispatched', claims = t.claims + 1, lease_id = p.lease_id, started_at = null,
      worker_id = null, error = null
  from part p
  where t.id = any(p.task_ids)
),
told as (
  insert into hive.event (type, task_ids)
  select 'dispatched', array_agg(id) from placed having count(*) > 0
)
select lease_id, priority, cardinality(task_ids) as size, kinds, last_run_at,
       task_ids[cardinality(task_ids)] as last_id
from part
