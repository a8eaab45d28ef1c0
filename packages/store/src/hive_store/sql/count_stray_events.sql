-- How many events lie in the default partition: more than 0 means that maintenance has not run.
--
-- returns: one row
select count(*)::bigint as count from (select from hive.event_default limit 100000) s
