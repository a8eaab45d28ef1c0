-- How many tasks are in which state, by queue. Reads the whole table: for people, not for loops.
--
-- returns: one row per queue and state
select queue, state::text as state, count(*) as count
from hive.task
group by queue, state
order by queue, state
