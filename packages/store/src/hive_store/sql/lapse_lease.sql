-- Have the lease of a task run out now, as if its worker had long been silent: for tests.
--
-- $1 task_id  bigint
--
-- returns: the lease, or no row if nobody holds the task
update hive.lease l
set expires_at = statement_timestamp() - interval '1 second'
from hive.task t
where t.id = $1::bigint and l.id = t.lease_id
returning l.id
