-- How many tasks ended in the last seconds, by state, from the event log.
--
-- $1 seconds  double precision
--
-- returns: one row per state
select type::text as state, sum(coalesce(cardinality(task_ids), 1)) as count
from hive.event
where at > clock_timestamp() - make_interval(secs => $1::double precision)
  and type in ('succeeded', 'failed', 'cancelled')
group by type
