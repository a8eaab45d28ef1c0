-- Read which state tasks are in, and whether they are parked.
--
-- $1 task_ids  bigint[]
--
-- returns: one row per task found
select id, state::text as state, state = 'scheduled' and parked_at is not null as is_parked
from hive.task
where id = any($1::bigint[])
