-- Read output as it was written, by task: its bytes, and all else as JSON.
--
-- $1 task_ids  bigint[]  of these tasks; null for all
--
-- returns: one row per piece
select task_id,
       json_build_object('task_id', task_id, 'claim', claim, 'stream', stream, 'position', position, 'at', at)::text
         as row,
       data
from hive.output
where $1::bigint[] is null or task_id = any($1::bigint[])
order by task_id, claim, stream, position
