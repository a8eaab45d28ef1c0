-- Is a cursor still good: does the log hold everything behind it, and is it of this log at all?
--
-- Days are dropped whole, and the last event of what was dropped is noted: whoever has not come as far
-- has missed it. A cursor of a transaction that has not begun is of another server, or of a time before
-- a restore.
--
-- $1 xid  text    transaction id of the cursor
-- $2 id   bigint
--
-- returns: one row; the place and the moment of the last event that was dropped behind the cursor, or nulls
select h.xid::text::bigint as xid, h.id, h.at,
       $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) as is_ahead
from (select) as cursor
  left join hive.event_horizon h on (h.xid, h.id) > ($1::text::xid8, $2::bigint)
