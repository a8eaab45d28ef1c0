-- The place in the event log behind everything that has settled: where a reader of news begins.
--
-- returns: one row
select (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1) as xid, 9223372036854775807 as id
