-- How many tasks wait for an answer?
--
-- Counted where they wait, since old questions stay without an answer where their tasks were called off.
--
-- returns: the number
select (select count(*) from hive.task where state = 'blocked' and asked_at is not null)::integer
     + (select count(*) from hive.task where state = 'scheduled' and asked_at is not null)::integer
