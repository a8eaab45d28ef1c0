-- Read what the log has to say of one task; for people, not for cursors.
--
-- Events that list many tasks (submits, claims) are not searched: the task's own columns tell of those.
--
-- $1 task_id  bigint
-- $2 limit    integer
--
-- returns: events, oldest first
select xid::text::bigint as xid, id, at, type::text as type, task_id, task_ids, attempt, reason
from hive.event
where task_id = $1::bigint
order by event.xid, event.id
limit $2::integer
