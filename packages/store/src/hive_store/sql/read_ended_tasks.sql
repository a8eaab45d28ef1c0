-- Which of these tasks have ended?
--
-- $1 task_ids  bigint[]
--
-- returns: one row per task that has
select id, state::text as state, outcome::text as outcome, result, error, claims - given_back as attempt
from hive.task
where id = any($1::bigint[]) and finished_at is not null
