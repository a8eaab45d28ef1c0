-- Who lives: how many queens share the work, and what the living workers can run, by queue.
--
-- $1 living_seconds  double precision  whoever was seen within this time lives
--
-- returns: one row per queue served; a worker that serves several has its slots in `total_slots` once
with living as materialized (
  select queues, slots
  from hive.worker
  where takes_bundles and not is_draining and seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
)
select (select count(*)::integer from hive.queen
        where seen_at > statement_timestamp() - make_interval(secs => $1::double precision)) as queens,
       (select coalesce(sum(slots), 0)::integer from living where cardinality(queues) > 0) as total_slots,
       q.queue, count(*)::integer as workers, sum(w.slots)::integer as slots
from living w cross join lateral unnest(w.queues) as q (queue)
group by q.queue
