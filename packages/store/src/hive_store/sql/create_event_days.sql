-- Make the partitions of the event log for today and some days ahead.
--
-- $1 days_ahead  integer
--
-- returns: how many were made
select hive.create_event_days($1::integer) as count
