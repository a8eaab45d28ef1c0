-- Read how the earlier attempts of a task ended.
--
-- $1 task_id  bigint
--
-- returns: one row per attempt that was not the last, oldest first
select claim, attempt, outcome::text as outcome, error, worker_id, started_at, ended_at, again_at
from hive.attempt
where task_id = $1::bigint
order by claim
