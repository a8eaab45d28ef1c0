-- Read which task comes after which as JSON, by the task that comes after.
--
-- $1 task_ids  bigint[]  of these tasks; null for all
--
-- returns: one row per dependency
select child_id as task_id, row_to_json(d)::text as row
from hive.dependency d
where $1::bigint[] is null or child_id = any($1::bigint[])
order by child_id, parent_id
