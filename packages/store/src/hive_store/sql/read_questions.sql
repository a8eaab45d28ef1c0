-- Read what a task has asked, and what it was answered.
--
-- $1 task_id  bigint
--
-- returns: one row per question, in order
select number, question, options, asked_at, answer, answered_at, answered_by
from hive.question
where task_id = $1::bigint
order by number
