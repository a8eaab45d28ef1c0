-- Find schedules that come to nothing: without moments, or for a queue that no living worker serves.
--
-- $1 living_seconds  double precision  a worker that was seen within this time lives
-- $2 limit           integer
--
-- returns: one row per schedule; `fault` is null where the queue is the trouble
select s.name, s.queue, s.fault
from hive.schedule s
where s.paused_at is null
  and (s.fault is not null
       or s.next_at < 'infinity' and not exists (
         select from hive.worker w
         where s.queue = any(w.queues)
           and w.seen_at > statement_timestamp() - make_interval(secs => $1::double precision)))
order by s.name
limit $2::integer
