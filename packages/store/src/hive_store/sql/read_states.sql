-- Read which state tasks are in, and nothing else of them.
--
-- $1 task_ids  bigint[]
--
-- returns: one row per task found
select id, state::text as state
from hive.task
where id = any($1::bigint[])
