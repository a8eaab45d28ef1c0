-- Which of the tasks that a worker runs have been called off?
--
-- $1 task_ids  bigint[]
--
-- returns: the ids of those whose cancellation was requested and which are still leased
select id
from hive.task
where id = any($1::bigint[]) and cancel_requested_at is not null and lease_id is not null
