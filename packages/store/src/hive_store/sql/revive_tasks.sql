-- Queue tasks that failed or were cancelled once more, with one further attempt and no losses held against them.
--
-- A task with a key lines up again: by its id it comes before those that were submitted after it.
--
-- A task that comes after others waits again for those of them that have not ended, or are revived with it;
-- how the rest have ended does not matter any more. What comes after it and was cancelled stays so.
--
-- One that had expired expires no more, and one that asked something asks it no more.
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
edge as materialized (
  select d.child_id, d.parent_id,
         p.finished_at is null or p.id = any(array(select id from over)) as is_open
  from over
    cross join lateral (select child_id, parent_id from hive.dependency where child_id = over.id) d
    cross join lateral (select id, finished_at from hive.task where id = d.parent_id limit 1) p
),
renewed as (
  update hive.dependency d
  set is_open = e.is_open, is_fault = false
  from edge e
  where d.child_id = e.child_id and d.parent_id = e.parent_id
),
changed as (
  update hive.task t
  set state = (case when t.key is null and o.is_gated is not true then 'queued' else 'blocked' end)::hive.task_state,
      has_turn = case when t.key is not null then false end,
      is_gated = o.is_gated,
      run_at = statement_timestamp(),
      expires_at = case when t.expires_at > statement_timestamp() then t.expires_at end,
      finished_at = null, cancel_requested_at = null,
      max_attempts = greatest(t.max_attempts, t.failures + 1), losses = 0, outcome = null,
      result = null, error = null, waits_for_limit = null, parked_at = null, parked_reason = null,
      parked_run_at = null, asked_at = null
  from (
    select over.id, e.is_gated
    from over
      left join (select child_id, bool_or(is_open) as is_gated from edge group by child_id) e on e.child_id = over.id
  ) o
  where t.id = o.id
  returning t.id, t.key, t.is_gated
),
woken as (
  insert into hive.key_wake (key) select distinct key from changed where key is not null
),
looked_at as (
  insert into hive.dependency_wake (child_id) select id from changed where is_gated
),
told as (
  insert into hive.event (type, task_id) select 'revived', id from changed
)
select id, pg_notify('hive_queued', '') from changed
