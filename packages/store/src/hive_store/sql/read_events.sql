-- Read the event log from a cursor on, missing nothing.
--
-- Ids are given out before transactions commit, so an order by id alone steps over rows that commit
-- late. Rows are therefore read in order of their transaction, and only those of transactions older
-- than every one still open. A transaction left open holds the tail back; `find_oldest_transaction`
-- names it. (The order names the table's column: plain `xid` would be the text made of it, and a sort.)
--
-- $1 after_xid  text     transaction id of the last event read; 0 to begin
-- $2 after_id   bigint
-- $3 limit      integer
--
-- returns: events in the order of the log
select xid::text::bigint as xid, id, at, type::text as type, task_id, task_ids, attempt, reason
from hive.event
where (xid, id) > ($1::text::xid8, $2::bigint)
  and xid < pg_snapshot_xmin(pg_current_snapshot())
order by event.xid, event.id
limit $3::integer
