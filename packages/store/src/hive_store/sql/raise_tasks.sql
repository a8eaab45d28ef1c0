-- Make up to $2 tasks more urgent that have waited long: by one level for each $1 seconds, up to the most urgent.
--
-- They keep their place by time, so a task that has become most urgent goes before all that came later.
-- Tasks that are most urgent already are not in the index that is read here.
--
-- $1 level_seconds  double precision
-- $2 batch_size     integer
--
-- returns: how many tasks are more urgent now
with due as materialized (
  select id, greatest(run_at, raised_at) as since,
         floor(extract(epoch from statement_timestamp() - greatest(run_at, raised_at)) / $1::double precision) as levels
  from hive.task
  where priority > 0 and (state = 'queued' or (state = 'blocked' and waits_for_limit is not null))
    and greatest(run_at, raised_at) <= statement_timestamp() - make_interval(secs => $1::double precision)
  order by greatest(run_at, raised_at)
  limit $2::integer
  for update skip locked
),
changed as (
  update hive.task t
  set priority = greatest(0, t.priority - d.levels)::smallint,
      submitted_priority = coalesce(t.submitted_priority, t.priority),
      raised_at = d.since + make_interval(secs => d.levels * $1::double precision)
  from due d
  where t.id = d.id
  returning t.id
)
select count(*)::integer from changed
