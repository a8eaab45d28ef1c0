-- Read the event log backwards from a cursor: what happened last.
--
-- Only what has settled is shown, as to readers who go forward; so both see the same log.
--
-- $1 before_xid  text     transaction id of the cursor, which itself is not shown
-- $2 before_id   bigint
-- $3 limit       integer
--
-- returns: events, the latest first
select xid::text::bigint as xid, id, at, type::text as type, task_id, task_ids, attempt, reason
from hive.event
where (xid, id) < ($1::text::xid8, $2::bigint)
  and xid < pg_snapshot_xmin(pg_current_snapshot())
order by event.xid desc, event.id desc
limit $3::integer
