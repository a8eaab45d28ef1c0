-- Drop the partitions of the event log that are older than they need to be.
--
-- $1 keep_days  integer
--
-- returns: how many were dropped
select hive.drop_event_days($1::integer) as count
