-- A queen takes back leases that nobody accepted, because they could not be sent.
--
-- $1 queen_id   uuid
-- $2 lease_ids  uuid[]
-- $3 reason     text
--
-- returns: the tasks that are queued again, or cancelled if that was asked in the meantime
-- moves:   dispatched -> queued (release), dispatched -> cancelled (cancel)
-- events:  released, cancelled
with held as materialized (
  select id, queue, task_ids
  from hive.lease
  where id = any($2::uuid[]) and queen_id = $1::uuid and accepted_at is null
  order by id
  for update
),
changed as (
  update hive.task t
  set state = (case when t.cancel_requested_at is null then 'queued' else 'cancelled' end)::hive.task_state,
      finished_at = case when t.cancel_requested_at is not null then clock_timestamp() end,
      outcome = (case when t.cancel_requested_at is null then 'released' else 'cancelled' end)::hive.outcome,
      lease_id = null, ended_lease = t.lease_id, error = $3::text,
      given_back = t.given_back + (t.cancel_requested_at is null)::integer
  from held h cross join lateral unnest(h.task_ids) as m (id)
  where t.id = m.id and t.lease_id = h.id
  returning t.id, t.state, t.key, t.claims, t.ended_lease as lease_id,
            t.claims - t.given_back + (t.state = 'queued')::integer as attempt
),
removed as (
  delete from hive.lease l using held where l.id = held.id
),
kept as (
  insert into hive.attempt (task_id, claim, attempt, outcome, error, lease_id)
  select id, claims, attempt, 'released', $3::text, lease_id from changed where state = 'queued'
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
  select (case state when 'queued' then 'released' else 'cancelled' end)::hive.event_type, id, attempt, $3::text
  from changed
)
select id, state::text as state, lease_id from changed
