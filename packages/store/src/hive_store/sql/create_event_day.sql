-- Make the partition of the event log for one day, if it is not there.
--
-- $1 day  date
--
-- returns: whether it was made
select hive.create_event_day($1::date) as is_made
