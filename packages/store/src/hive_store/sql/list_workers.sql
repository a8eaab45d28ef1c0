-- Workers that have not left, and what they hold.
--
-- $1 seen_within_seconds  double precision
--
-- returns: one row per worker, oldest first
select w.id, w.host, w.pid, w.version, w.queues, w.labels, w.slots, w.is_draining, w.started_at, w.seen_at,
       extract(epoch from statement_timestamp() - w.seen_at)::double precision as unseen_seconds,
       w.stuck, extract(epoch from statement_timestamp() - w.stuck_since)::double precision as stuck_seconds,
       coalesce((select sum(l.open) from hive.lease l where l.worker_id = w.id), 0)::integer as held
from hive.worker w
where w.seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
  and cardinality(w.queues) > 0
order by w.started_at
