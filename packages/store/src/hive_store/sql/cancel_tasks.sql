-- Call tasks off: at once if nobody has them, else as a request to whoever holds them.
--
-- A leased task is ended by its worker, once nothing of it runs, or by the reaper. Never here: it
-- would be shown as cancelled while it runs. A task that another transaction holds is skipped; the
-- caller asks again.
--
-- $1 task_ids  bigint[]
--
-- returns: the tasks found not locked, with the state they are now in, and whether it was asked before
-- moves:   blocked -> cancelled (cancel), scheduled -> cancelled (cancel), queued -> cancelled (cancel)
-- events:  cancelled, cancel_requested
with open as materialized (
  select id, lease_id, cancel_requested_at is not null as was_requested
  from hive.task
  where id = any($1::bigint[]) and finished_at is null
  order by id
  for update skip locked
),
changed as (
  update hive.task t
  set state = case when t.lease_id is null then 'cancelled' else t.state end,
      finished_at = case when t.lease_id is null then clock_timestamp() end,
      outcome = case when t.lease_id is null then 'cancelled' else t.outcome end,
      waits_for_limit = null,
      cancel_requested_at = coalesce(t.cancel_requested_at, clock_timestamp())
  from open o
  where t.id = o.id
  returning t.id, t.state, t.key, t.has_turn, t.is_gated, o.was_requested
),
freed as (
  insert into hive.key_wake (key) select distinct key from changed where (has_turn or (key is not null and is_gated)) and state = 'cancelled'
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from changed where state = 'cancelled')))
),
told as (
  insert into hive.event (type, task_id)
  select (case state when 'cancelled' then 'cancelled' else 'cancel_requested' end)::hive.event_type, id
  from changed
  where not was_requested or state = 'cancelled'
)
select id, state::text as state from changed
