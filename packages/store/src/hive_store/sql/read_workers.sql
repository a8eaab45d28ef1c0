-- Read where workers are or were, also of those that have left.
--
-- $1 worker_ids  uuid[]
--
-- returns: one row per worker that is not forgotten
select w.id, w.host, w.pid, cardinality(w.queues) = 0 as has_left,
       extract(epoch from statement_timestamp() - w.seen_at)::double precision as unseen_seconds,
       w.stuck, extract(epoch from statement_timestamp() - w.stuck_since)::double precision as stuck_seconds
from hive.worker w
where w.id = any($1::uuid[])
