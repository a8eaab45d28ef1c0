-- Read what tasks have asked as JSON, by task.
--
-- $1 task_ids  bigint[]  of these tasks; null for all
--
-- returns: one row per question
select task_id, row_to_json(q)::text as row
from hive.question q
where $1::bigint[] is null or task_id = any($1::bigint[])
order by task_id, number
