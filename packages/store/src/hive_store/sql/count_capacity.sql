-- Who lives: how many queens share the work, and what the living workers can run, by queue.
--
-- Tasks that need labels wait in lines of their own. Which lines there are is read off the index, from
-- one to the next, and only where some worker has labels: nobody else can serve one.
--
-- $1 living_seconds  double precision  whoever was seen within this time lives
-- $2 queues          text[]            of lines with needs that are counted also if nothing is queued there
-- $3 needs           text[]            ... and what they need
--
-- returns: one row per queue served, with needs '', and one per line with needs that a worker can serve;
--          a worker that serves several has its slots in `total_slots` once
with recursive living as materialized (
  select queues, labels, slots
  from hive.worker
  where takes_bundles and not is_draining and seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
),
waiting (queue, needs) as (
  (select queue, needs from hive.task
   where (state = 'queued' or (state = 'blocked' and waits_for_limit is not null)) and needs <> '' and exists (select from living where labels <> '{}')
   order by queue, needs
   limit 1)
  union all
  select n.queue, n.needs
  from waiting w cross join lateral (
    select t.queue, t.needs from hive.task t
    where (t.state = 'queued' or (t.state = 'blocked' and t.waits_for_limit is not null)) and t.needs <> '' and (t.queue, t.needs) > (w.queue, w.needs)
    order by t.queue, t.needs
    limit 1
  ) n
),
line (queue, needs) as (
  select queue, needs from waiting
  union
  select * from unnest($2::text[], $3::text[])
),
served (queue, needs, slots) as (
  select q.queue, '', w.slots from living w cross join lateral unnest(w.queues) as q (queue)
  union all
  select l.queue, l.needs, w.slots
  from line l join living w on l.queue = any(w.queues) and w.labels @> string_to_array(l.needs, ',')
)
select (select count(*)::integer from hive.queen
        where seen_at > statement_timestamp() - make_interval(secs => $1::double precision)) as queens,
       (select coalesce(sum(slots), 0)::integer from living where cardinality(queues) > 0) as total_slots,
       queue, needs, count(*)::integer as workers, sum(slots)::integer as slots
from served
group by queue, needs
