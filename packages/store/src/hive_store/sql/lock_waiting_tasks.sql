-- Of these tasks, keep from being claimed those that nobody has: the lock lasts to the transaction's end.
--
-- A task that is being claimed at this moment is stepped over, as one that somebody has.
--
-- $1 task_ids  bigint[]
--
-- returns: the tasks that nobody has
select id
from hive.task
where id = any($1::bigint[]) and finished_at is null and num_nonnulls(lease_id) = 0
order by id
for update skip locked
