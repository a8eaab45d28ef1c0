-- Read what attempts have spent as JSON, by task.
--
-- $1 task_ids  bigint[]  of these tasks; null for all
--
-- returns: one row per attempt
select task_id, row_to_json(s)::text as row
from hive.spending s
where $1::bigint[] is null or task_id = any($1::bigint[])
order by task_id, claim
