-- Retry policies, and tasks that are parked: set aside for a while, or until somebody lets them go on.
--
-- A parked task is scheduled, with the reason beside it; without an end it is scheduled for `infinity`. So
-- what else holds it (the turn of its key, for one) is looked at again when it goes on, as for any other.
--
-- The type of events is made anew for two labels, and the log written once more (0004 says why).
--
-- A reader of an older Hive does not know them.
-- compatible_from: 12

alter table hive.task
  add column retry text,
  add column parked_at timestamptz,
  add column parked_reason text,
  add column parked_run_at timestamptz,
  add constraint a_retry_policy_says_waits_or_failures
    check (retry ~ '^((exponential|fixed) ?\([^()]*\)|[0-9][0-9a-z., ]*)?( *only on .+)?$' and retry <> ''),
  add constraint a_parked_task_says_why check ((parked_at is null) = (parked_reason is null)),
  add constraint only_a_parked_task_has_a_moment_to_go_back_to check (parked_run_at is null or parked_at is not null);
comment on column hive.task.retry is
  'When and after which failures it is tried again, as in "exponential(1s, max 1h, jitter) only on 75, timed_out"; null for what its worker''s settings say.';
comment on column hive.task.parked_at is 'While it is scheduled: since when it is parked, if it is.';
comment on column hive.task.parked_run_at is 'For when it was scheduled before it was parked, if it was.';

alter table hive.attempt add column again_at timestamptz;
comment on column hive.attempt.again_at is 'When the task was due again after it, if that was set.';

alter type hive.event_type rename to event_type_before;
create type hive.event_type as enum
  ('queued', 'dispatched', 'started', 'succeeded', 'failed', 'cancelled', 'retried', 'released',
   'lost', 'cancel_requested', 'revived', 'unblocked', 'held_up', 'parked', 'unparked');
alter table hive.event alter column type type hive.event_type using type::text::hive.event_type;
drop type hive.event_type_before;

create function hive.park(task_ids bigint[], until timestamptz default null, because text default null,
                          by_whom text default null, from_host text default null)
returns table (task_id bigint) language plpgsql as $$
declare
  why text := coalesce(nullif(because, ''), 'by hand');
  parked bigint[];
begin
  with waiting as materialized (
    select t.id
    from hive.task t
    where t.id = any(task_ids) and t.state in ('blocked', 'scheduled', 'queued')
    order by t.id
    for update skip locked
  ),
  changed as (
    update hive.task t
    set state = 'scheduled',
        parked_run_at = case when t.parked_at is not null then t.parked_run_at
                             when t.state = 'scheduled' then t.run_at end,
        parked_at = clock_timestamp(), parked_reason = why, run_at = coalesce(until, 'infinity'),
        waits_for_limit = null
    from waiting w
    where t.id = w.id
    returning t.id
  ),
  told as (
    insert into hive.event (type, task_ids, reason)
    select 'parked', array_agg(c.id order by c.id), why from changed c having count(*) > 0
  )
  select coalesce(array_agg(c.id order by c.id), '{}') into parked from changed c;
  if cardinality(parked) > 0 then
    insert into hive.audit (actor, host, what, target, details)
    values (coalesce(by_whom, session_user), coalesce(from_host, inet_client_addr()::text, 'local'), 'park',
            hive.some_tasks(parked), jsonb_strip_nulls(jsonb_build_object('until', until, 'reason', why)));
  end if;
  return query select unnest(parked);
end
$$;
comment on function hive.park is
  'Set waiting tasks aside, until a moment or (null) until hive.unpark. Returns those that were; a task that another transaction holds is not.';

create function hive.unpark(task_ids bigint[], by_whom text default null, from_host text default null)
returns table (task_id bigint, new_state text) language plpgsql as $$
declare
  freed bigint[];
  states text[];
begin
  with parked as materialized (
    select t.id
    from hive.task t
    where t.id = any(task_ids) and t.state = 'scheduled' and t.parked_at is not null
    order by t.id
    for update skip locked
  ),
  changed as (
    update hive.task t
    set state = (case when t.parked_run_at > statement_timestamp() then 'scheduled'
                      when t.has_turn is false or t.is_gated then 'blocked'
                      else 'queued' end)::hive.task_state,
        run_at = greatest(t.parked_run_at, statement_timestamp()),
        parked_at = null, parked_reason = null, parked_run_at = null
    from parked p
    where t.id = p.id
    returning t.id, t.key, t.state
  ),
  woken as (
    insert into hive.key_wake (key) select distinct c.key from changed c where c.key is not null and c.state = 'blocked'
  ),
  told as (
    insert into hive.event (type, task_ids)
    select 'unparked', array_agg(c.id order by c.id) from changed c having count(*) > 0
  )
  select coalesce(array_agg(c.id order by c.id), '{}'), array_agg(c.state::text order by c.id) into freed, states
  from changed c;
  if cardinality(freed) > 0 then
    insert into hive.audit (actor, host, what, target)
    values (coalesce(by_whom, session_user), coalesce(from_host, inet_client_addr()::text, 'local'), 'unpark',
            hive.some_tasks(freed));
    notify hive_queued;
  end if;
  return query select * from unnest(freed, states);
end
$$;
comment on function hive.unpark is
  'Let parked tasks go on now, or when they were scheduled for before. Returns those that were parked; a task that another transaction holds is not.';

-- What the audit log says of tasks that something was done to: all of a few, of many how many and some.
create function hive.some_tasks(task_ids bigint[]) returns text language sql immutable as $$
  select case when cardinality(task_ids) <= 20 then array_to_string(task_ids, ', ')
              else format('%s tasks: %s, ...', cardinality(task_ids), array_to_string(task_ids[1:10], ', ')) end
$$;
