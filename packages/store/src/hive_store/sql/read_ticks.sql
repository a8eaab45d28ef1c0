-- Read what became of a schedule's ticks, the last one first.
--
-- $1 schedule_id  bigint
-- $2 limit        integer
--
-- returns: one row per tick
select schedule_name, tick_at, said, outcome, reason, count, task_id, is_extra, decided_at
from hive.tick
where schedule_id = $1::bigint
order by tick_at desc
limit $2::integer
