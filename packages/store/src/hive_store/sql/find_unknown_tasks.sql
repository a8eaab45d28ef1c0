-- Which of these ids has no task?
--
-- $1 task_ids  bigint[]
--
-- returns: the ids that none has
select given.id
from unnest($1::bigint[]) as given (id)
where not exists (select from hive.task t where t.id = given.id)
