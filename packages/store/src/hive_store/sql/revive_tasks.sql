-- Queue tasks that failed or were cancelled once more, with one further attempt and no losses held against them.
--
-- A task with a key lines up again: by its id it comes before those that were submitted after it.
--
-- A task that another transaction holds is skipped; the caller asks again.
--
-- $1 task_ids  bigint[]
--
-- returns: the tasks that wait again
-- moves:   failed -> queued (revive), cancelled -> queued (revive), failed -> blocked (line_up), cancelled -> blocked (line_up)
-- events:  revived
with over as materialized (
  select id
  from hive.task
  where id = any($1::bigint[]) and state in ('failed', 'cancelled')
  order by id
  for update skip locked
),
kept as (
  insert into hive.attempt (task_id, claim, attempt, outcome, error, worker_id, lease_id, started_at, ended_at)
  select t.id, t.claims, t.claims - t.given_back, t.outcome, t.error, t.worker_id, t.ended_lease,
         t.started_at, t.finished_at
  from hive.task t join over on over.id = t.id
  where t.ended_lease is not null
  on conflict do nothing
),
changed as (
  update hive.task t
  set state = (case when t.key is null then 'queued' else 'blocked' end)::hive.task_state,
      has_turn = case when t.key is not null then false end, run_at = statement_timestamp(), finished_at = null, cancel_requested_at = null,
      max_attempts = greatest(t.max_attempts, t.failures + 1), losses = 0, outcome = null,
      result = null, error = null
  from over
  where t.id = over.id
  returning t.id, t.key
),
woken as (
  insert into hive.key_wake (key) select distinct key from changed where key is not null
),
told as (
  insert into hive.event (type, task_id) select 'revived', id from changed
)
select id, pg_notify('hive_queued', '') from changed
