-- How far a group is: how many of its tasks are in which state, and how fast they end.
--
-- $1 group_name      text
-- $2 recent_seconds  double precision  what counts as lately
--
-- returns: one row per state that occurs; `lately` is how many of these tasks ended so recently, `age_seconds` how long ago the first was submitted
select state::text as state, count(*) as count,
       count(*) filter (where finished_at > statement_timestamp() - make_interval(secs => $2::double precision)) as lately,
       extract(epoch from statement_timestamp() - min(created_at))::double precision as age_seconds
from hive.task
where group_name = $1::text
group by state
order by state
