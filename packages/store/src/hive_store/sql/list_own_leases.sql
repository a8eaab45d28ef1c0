-- A queen recounts the leases that she granted.
--
-- What a silent worker holds will come back when its lease lapses; until then neither its slots nor
-- its tasks count, or the living would stand idle behind them.
--
-- $1 queen_id        uuid
-- $2 living_seconds  double precision  whoever was not seen within this time is silent
--
-- returns: one row per lease
select l.id, l.queue, l.needs, l.open, l.accepted_at is null as is_unaccepted, cardinality(l.task_ids) as size,
       l.accepted_at is not null
         and coalesce(w.seen_at < statement_timestamp() - make_interval(secs => $2::double precision)
                      or cardinality(w.queues) = 0, true)
         as is_silent
from hive.lease l left join hive.worker w on w.id = l.worker_id
where l.queen_id = $1::uuid
