-- What readers of the schema's functions have found: a gate, a park and a limit that each forgot another.
--
-- A queen of an older Hive would ask for the room of limits as it was asked for before.
-- compatible_from: 20

-- For plain SQL, as before; but who waits for other tasks waits for no limit meanwhile: a claim takes
-- whoever stands in a limit's line, and is refused as a whole if one of them may not be handed out.
create or replace function hive.come_after() returns trigger language plpgsql as $$
declare
  circle bigint[];
begin
  if new.parent_id >= new.child_id then
    circle := hive.circle(new.child_id, new.parent_id);
    if circle is not null then
      raise exception 'tasks would wait for one another in a circle: %', array_to_string(circle, ' after ')
        using errcode = 'check_violation';
    end if;
    raise exception 'task % cannot come after task %: a task comes only after tasks with smaller ids',
        new.child_id, new.parent_id
      using errcode = 'check_violation';
  end if;
  if hive.hold_parents(array[new.parent_id]) <> '{}' then
    raise exception 'there is no task %, which task % is to come after', new.parent_id, new.child_id
      using errcode = 'foreign_key_violation';
  end if;
  update hive.task
  set state = (case when state = 'scheduled' then 'scheduled' else 'blocked' end)::hive.task_state, is_gated = true,
      waits_for_limit = null
  where id = new.child_id and state in ('blocked', 'scheduled', 'queued') and has_turn is not true;
  if not found then
    raise exception 'task % is not there, or waits no more: it cannot be made to come after task %',
        new.child_id, new.parent_id
      using errcode = 'foreign_key_violation';
  end if;
  new.is_open := true;
  insert into hive.dependency_wake (child_id) values (new.child_id);
  return new;
end
$$;
update hive.task set waits_for_limit = null where is_gated and finished_at is null and waits_for_limit is not null;

-- As before; but of a key whose turn was kept free for a task that waits for others, the next is looked at.
create or replace function hive.park(task_ids bigint[], until timestamptz default null, because text default null,
                          by_whom text default null, from_host text default null)
returns table (task_id bigint) language plpgsql as $$
declare
  why text := coalesce(nullif(because, ''), 'by hand');
  parked bigint[];
begin
  with waiting as materialized (
    select t.id, t.state = 'blocked' and t.is_gated as was_gated
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
    returning t.id, t.key, w.was_gated
  ),
  woken as (
    insert into hive.key_wake (key) select distinct c.key from changed c where c.key is not null and c.was_gated
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
