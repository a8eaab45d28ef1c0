-- How many tasks of a queue are leased.
--
-- $1 queue  text
--
-- returns: the number
select coalesce(sum(open), 0)::integer from hive.lease where queue = $1::text
