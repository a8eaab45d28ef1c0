-- Which of these tasks belong to a group?
--
-- $1 group_name  text
-- $2 task_ids    bigint[]
--
-- returns: the ids of those that do
select id
from hive.task
where id = any($2::bigint[]) and group_name = $1::text
