-- Find the place in the event log before the first event of a moment or later.
--
-- The log is in the order of transactions, and one that lasted long has late events at an early place:
-- behind this cursor lies everything since the moment, and some of what came before it.
--
-- $1 moment  timestamptz
--
-- returns: one row, or none if nothing has happened since
select xid::text::bigint as xid, id - 1 as id
from hive.event
where at >= $1::timestamptz
order by event.xid, event.id
limit 1
