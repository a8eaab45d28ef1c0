-- End up to $1 leases that have lapsed: their tasks go back, or end if they were lost too often.
--
-- The rows are locked while they are looked at, so that a lease renewed in the meantime is left
-- alone. What a lapse costs:
--   start not written           nothing; the task never began, as far as anybody can tell
--   start written, alone        one loss; at max_losses it has failed
--   start written, not alone    nothing, because another task of the bundle may be to blame; but a
--                               task that may never run again (max_losses 0) has failed
-- From then on a task goes alone and always writes its start. A task that was called off ends as
-- cancelled: its worker is gone, or has stopped it before the lapse.
--
-- The `limit 1` looks each task up by its id: joined plainly, a batch of leases is thought to hold so
-- many tasks that the planner reads the whole table.
--
-- $1 batch_size  integer
--
-- returns: one row per task of the leases reaped
-- moves:   dispatched -> queued (lapse), running -> queued (lose), running -> failed (exhaust), dispatched -> cancelled (cancel), running -> cancelled (cancel)
-- events:  released, lost, failed, cancelled
with lapsed as materialized (
  select id, worker_id, queen_id, queue, task_ids, cardinality(task_ids) = 1 as is_alone
  from hive.lease
  where expires_at < statement_timestamp()
  order by expires_at
  limit $1::integer
  for update skip locked
),
member as materialized (
  select t.id, l.id as lease_id, l.worker_id, l.queue, t.state as was, t.claims,
         t.claims - t.given_back as attempt, t.started_at,
         t.state = 'running' and l.is_alone as is_charged,
         t.state = 'running' and (t.max_losses = 0 or (l.is_alone and t.losses + 1 >= t.max_losses))
           as is_exhausted
  from lapsed l
    cross join lateral unnest(l.task_ids) as m (id)
    cross join lateral (
      select * from hive.task where id = m.id and lease_id = l.id limit 1
    ) t
),
changed as (
  update hive.task t
  set state = (case when t.cancel_requested_at is not null then 'cancelled' when m.is_exhausted then 'failed' else 'queued' end
              )::hive.task_state,
      lease_id = null,
      ended_lease = m.lease_id,
      worker_id = m.worker_id,
      goes_alone = true,
      losses = t.losses + (m.is_charged or m.is_exhausted)::integer,
      given_back = t.given_back + (not m.is_charged and not m.is_exhausted and t.cancel_requested_at is null)::integer,
      finished_at = case when t.cancel_requested_at is not null or m.is_exhausted then clock_timestamp() end,
      outcome = (case when t.cancel_requested_at is not null then 'cancelled' when m.was = 'running' then 'lost' else 'released' end
                )::hive.outcome,
      error = case
        when t.cancel_requested_at is not null then null
        when m.was = 'running' then 'its worker was gone when its lease ran out'
          || case when m.is_exhausted
               then format(' (loss %s; it may be lost %s times)', t.losses + 1, t.max_losses) else '' end
        else 'its lease ran out before it started' end
  from member m
  where t.id = m.id and t.lease_id = m.lease_id
  returning t.id, t.state, t.error, t.outcome, m.attempt, m.claims, m.lease_id, m.worker_id, m.queue,
            m.started_at, t.kind, t.key
),
removed as (
  delete from hive.lease l using lapsed where l.id = lapsed.id
),
kept as (
  insert into hive.attempt (task_id, claim, attempt, outcome, error, worker_id, lease_id, started_at)
  select id, claims, attempt, outcome, error, worker_id, lease_id, started_at
  from changed
  where state = 'queued'
),
freed as (
  insert into hive.key_wake (key)
  select distinct key from changed where key is not null and state in ('succeeded', 'failed', 'cancelled')
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from changed where state in ('succeeded', 'failed', 'cancelled'))))
),
told as (
  insert into hive.event (type, task_id, attempt, reason)
  select (case when state = 'queued' then outcome::text else state::text end)::hive.event_type,
         id, attempt, error
  from changed
)
select id, state::text as state, outcome::text as outcome, attempt, lease_id, queue, kind from changed
