-- Queue up to $1 scheduled tasks whose time has come, the longest due first.
--
-- The guard is `due`, which holds the rows locked; repeated where they are written, it would let the
-- planner read the whole of `task_due` there, instead of the primary key.
--
-- $1 batch_size  integer
--
-- returns: one row: how many moved, and in how many seconds the next is due (null if none waits)
-- moves:   scheduled -> queued (fall_due)
with due as materialized (
  select id
  from hive.task
  where state = 'scheduled' and run_at <= statement_timestamp()
  order by run_at
  limit $1::integer
  for update skip locked
),
changed as (
  update hive.task t set state = 'queued' from due where t.id = due.id
  returning t.id
)
select (select count(*)::integer from changed) as count,
       (select extract(epoch from run_at - statement_timestamp())::double precision
        from hive.task
        where state = 'scheduled' and run_at > statement_timestamp() and run_at < 'infinity'
        order by run_at
        limit 1) as next_seconds
