-- Read which tick of which schedule a task is of.
--
-- $1 task_id  bigint
--
-- returns: one row, or none if it is of no schedule, or of a tick that is forgotten
select schedule_name, tick_at, said, outcome, reason, count, task_id, is_extra, decided_at
from hive.tick
where task_id = $1::bigint
