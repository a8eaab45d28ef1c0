-- Queue up to $1 scheduled tasks whose time has come, the longest due first.
--
-- A task with a key that has not had the turn takes its place in the line of its key: by its id. One that
-- comes after tasks that have not ended waits for them. One that was parked until now, and was for later
-- before, waits for that moment again, and one that asks a person something for the answer.
--
-- The guard is `due`, which holds the rows locked; repeated where they are written, it would let the
-- planner read the whole of `task_due` there, instead of the primary key.
--
-- $1 batch_size  integer
--
-- returns: one row: how many were due, and in how many seconds the next is due (null if none waits)
-- moves:   scheduled -> queued (fall_due), scheduled -> blocked (line_up)
with due as materialized (
  select id
  from hive.task
  where state = 'scheduled' and run_at <= statement_timestamp()
  order by run_at
  limit $1::integer
  for update skip locked
),
changed as (
  update hive.task t
  set state = (case when t.parked_run_at > statement_timestamp() then 'scheduled'
                    when t.has_turn is false or t.is_gated or t.asked_at is not null then 'blocked'
                    else 'queued' end)::hive.task_state,
      run_at = greatest(t.run_at, t.parked_run_at),
      parked_at = null, parked_reason = null, parked_run_at = null
  from due
  where t.id = due.id
  returning t.id, t.key, t.state, t.run_at
),
woken as (
  insert into hive.key_wake (key) select distinct key from changed where key is not null and state = 'blocked'
)
select (select count(*)::integer from changed) as count,
       extract(epoch from least(
         (select run_at
          from hive.task
          where state = 'scheduled' and run_at > statement_timestamp() and run_at < 'infinity'
          order by run_at
          limit 1),
         (select min(run_at) from changed where state = 'scheduled')
       ) - statement_timestamp())::double precision as next_seconds
