-- Count the tasks of a group, by state.
--
-- $1 group_name  text
--
-- returns: one row per state that occurs
select state::text as state, count(*) as count
from hive.task
where group_name = $1::text
group by state
order by state
