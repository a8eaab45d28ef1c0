-- Read the log as JSON, in its order, without what numbers it: that is another Hive's own.
--
-- Events that list many tasks come whatever tasks are asked for; the reader looks into them.
--
-- $1 task_ids  bigint[]  of these tasks; null for all
--
-- returns: one row per event
select task_id, task_ids, (to_jsonb(e) - 'xid' - 'id')::text as row
from hive.event e
where $1::bigint[] is null or task_ids is not null or task_id = any($1::bigint[])
order by xid, id
