-- Who lives: how many queens share the work, and what the living workers can run, by queue.
--
-- $1 living_seconds  double precision  whoever was seen within this time lives
--
-- returns: one row per queue served
select (select count(*)::integer from hive.queen
        where seen_at > statement_timestamp() - make_interval(secs => $1::double precision)) as queens,
       q.queue, count(*)::integer as workers, sum(w.slots)::integer as slots
from hive.worker w cross join lateral unnest(w.queues) as q (queue)
where not w.is_draining and w.seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
group by q.queue
