-- End every lease of the Hive that a backup or an export was taken from: nobody holds its tasks any more.
--
-- Sent once, in the transaction that brings the rows, when nobody else can see them. What was leased is
-- queued again and its attempt given back, uncounted: a restore is no fault of the task. As when a
-- worker gives a task back, one that had started and may not run again (max_losses 0) has failed,
-- and one that was called off is cancelled.
--
-- $1 task_ids  bigint[]  of these tasks, whose leases are not here; null for all tasks and leases there are
-- $2 copy      text      what brought them: backup or export
--
-- returns: how many tasks are queued again, have failed, and are cancelled
-- moves:   dispatched -> queued (release), running -> queued (release), running -> failed (exhaust), dispatched -> cancelled (cancel), running -> cancelled (cancel)
-- events:  released, failed, cancelled
with leased as materialized (
  select t.id, l.worker_id,
         t.cancel_requested_at is not null as is_cancelled,
         t.cancel_requested_at is null and t.state = 'running' and t.max_losses = 0 as is_failed
  from hive.task t left join hive.lease l on l.id = t.lease_id
  where num_nonnulls(t.lease_id) = 1 and ($1::bigint[] is null or t.id = any($1::bigint[]))
),
changed as (
  update hive.task t
  set state = (case when h.is_cancelled then 'cancelled' when h.is_failed then 'failed' else 'queued' end
              )::hive.task_state,
      lease_id = null,
      ended_lease = t.lease_id,
      worker_id = h.worker_id,
      finished_at = case when h.is_cancelled or h.is_failed then clock_timestamp() end,
      given_back = t.given_back + (not h.is_cancelled and not h.is_failed)::integer,
      losses = t.losses + h.is_failed::integer,
      outcome = (case when h.is_cancelled then 'cancelled' when h.is_failed then 'lost' else 'released' end
                )::hive.outcome,
      error = case
        when h.is_cancelled then null
        when h.is_failed then format('it was running when the %s was made (it may not run again)', $2::text)
        else format('it was leased when the %s was made', $2::text) end
  from leased h
  where t.id = h.id
  returning t.id, t.state, t.key, t.claims, t.ended_lease as lease_id, t.worker_id, t.started_at, t.error,
            t.claims - t.given_back + (t.state = 'queued')::integer as attempt
),
removed as (
  delete from hive.lease where $1::bigint[] is null
),
kept as (
  insert into hive.attempt (task_id, claim, attempt, outcome, error, worker_id, lease_id, started_at)
  select id, claims, attempt, 'released', error, worker_id, lease_id, started_at
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
  select (case state when 'queued' then 'released' else state::text end)::hive.event_type, id, attempt, error
  from changed
)
select count(*) filter (where state = 'queued')::integer as queued,
       count(*) filter (where state = 'failed')::integer as failed,
       count(*) filter (where state = 'cancelled')::integer as cancelled
from changed
