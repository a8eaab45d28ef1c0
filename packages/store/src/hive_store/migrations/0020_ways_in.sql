-- What a submit says of a task a schedule says of its tasks too, and SQL calls tasks off as everybody else does.
--
-- A queen of an older Hive would submit the tasks of schedules without their keys and needs.
-- compatible_from: 20

-- A queen inserts many schedules' tasks at once: what a task could not have must be no schedule's either.
alter table hive.schedule
  add column key text,
  add column needs text not null default '',
  add column breaker text,
  add column retry text,
  add column silence_timeout interval,
  add column expires_in interval,
  add constraint its_key_has_at_most_200_characters check (length(key) between 1 and 200),
  add constraint its_needs_are_slots_and_at_most_16_labels_with_commas
    check (needs ~ '^ *(slots:(1000|[1-9][0-9]{0,2}) *(, *|$))?([A-Za-z0-9][A-Za-z0-9_./=-]{0,62} *(, *[A-Za-z0-9][A-Za-z0-9_./=-]{0,62} *){0,15})?$'),
  add constraint its_breaker_has_a_name_without_white_space check (breaker ~ '^\S{1,200}$'),
  add constraint its_retry_policy_says_waits_or_failures
    check (retry ~ '^((exponential|fixed) ?\([^()]*\)|[0-9][0-9a-z., ]*)?( *only on .+)?$' and retry <> ''),
  add constraint its_silence_timeout_is_positive check (silence_timeout > interval '0'),
  add constraint its_tasks_expire_after_they_may_start
    check (expires_in > coalesce(spread, interval '0') and expires_in <= interval '3660 days');
comment on column hive.schedule.needs is 'What the worker of its tasks must have, as hive.task.needs says it.';
comment on column hive.schedule.expires_in is 'A task that still waits so long after its tick is cancelled.';

-- Call tasks off: at once if nobody has them, else as a request to whoever holds them.
--
-- A leased task is ended by its worker, once nothing of it runs, or by the reaper. Never here: it would
-- be shown as cancelled while it runs. A task that another transaction holds is skipped; the caller asks again.
create function hive.call_off(task_ids bigint[], why text default null)
returns table (task_id bigint, new_state text) language plpgsql as $$
begin
  return query
  with open as materialized (
    select t.id, t.cancel_requested_at is not null as was_requested
    from hive.task t
    where t.id = any(task_ids) and t.finished_at is null
    order by t.id
    for update skip locked
  ),
  changed as (
    update hive.task t
    set state = case when t.lease_id is null then 'cancelled' else t.state end,
        finished_at = case when t.lease_id is null then clock_timestamp() end,
        outcome = case when t.lease_id is null then 'cancelled' else t.outcome end,
        error = case when t.lease_id is null then coalesce(why, t.error) else t.error end,
        waits_for_limit = null,
        cancel_requested_at = coalesce(t.cancel_requested_at, clock_timestamp())
    from open o
    where t.id = o.id
    returning t.id, t.state, t.key, t.has_turn, t.is_gated, o.was_requested
  ),
  freed as (
    insert into hive.key_wake (key)
    select distinct c.key from changed c
    where (c.has_turn or (c.key is not null and c.is_gated)) and c.state = 'cancelled'
  ),
  awaited as (
    insert into hive.dependency_wake (parent_id)
    select unnest(hive.awaited(array(select c.id from changed c where c.state = 'cancelled')))
  ),
  told as (
    insert into hive.event (type, task_id, reason)
    select (case c.state when 'cancelled' then 'cancelled' else 'cancel_requested' end)::hive.event_type, c.id, why
    from changed c
    where not c.was_requested or c.state = 'cancelled'
  )
  select c.id, c.state::text from changed c;
end
$$;

create function hive.cancel(task_ids bigint[], reason text default null, by_whom text default null,
                            from_host text default null)
returns table (task_id bigint, new_state text) language plpgsql as $$
declare
  told bigint[];
  states text[];
begin
  select coalesce(array_agg(c.task_id order by c.task_id), '{}'), array_agg(c.new_state order by c.task_id)
  into told, states
  from hive.call_off(task_ids, nullif(reason, '')) c;
  if cardinality(told) > 0 then
    insert into hive.audit (actor, host, what, target, details)
    values (coalesce(by_whom, session_user), coalesce(from_host, inet_client_addr()::text, 'local'), 'cancel',
            hive.some_tasks(told),
            jsonb_strip_nulls(jsonb_build_object('tasks', cardinality(told), 'reason', nullif(reason, ''))));
  end if;
  return query select * from unnest(told, states);
end
$$;
comment on function hive.cancel is
  'Call tasks off; one that runs is cancelled by its worker, once nothing of it runs. Returns those that were, and their states; a task that has ended, or that another transaction holds, is not.';
