-- What readers of the schema's functions have found: a gate, a park and a limit that each forgot another.
--
-- A queen of an older Hive would ask for the room of limits as it was asked for before.
-- compatible_from: 22

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
    perform hive.record_deed(by_whom, from_host, 'park', hive.some_tasks(parked),
      jsonb_build_object('until', until, 'reason', why));
  end if;
  return query select unnest(parked);
end
$$;

-- As before; but what is done is written down by the function that does so for other deeds.
create or replace function hive.unpark(task_ids bigint[], by_whom text default null, from_host text default null)
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
    perform hive.record_deed(by_whom, from_host, 'unpark', hive.some_tasks(freed), '{}');
    notify hive_queued;
  end if;
  return query select * from unnest(freed, states);
end
$$;

drop function hive.lock_limits(text);

-- Lock the limits that hold for a queue, then count what room each has left, in tasks of so many slots.
--
-- A task counts as all of a limit that allows less than its slots. What is allowed, what a task takes of it
-- and what is taken are read by a statement of its own, after the lock: its snapshot sees what was claimed
-- under it, and a limit that was changed.
--
-- A breaker has room for one task, its probe, and for none while it is open. A probe that has succeeded
-- closes it soon (`hive.close_proven_breakers`).
--
-- Whoever waits here for a transaction that somebody left open gives up soon.
create function hive.lock_limits(of_queue text, slots integer)
returns table (name text, scope text, target text, weight integer, room integer, at timestamptz,
               tokens double precision, next_seconds double precision)
language plpgsql volatile set lock_timeout = '2s' as $$
begin
  perform from hive.usage_limit l where l.scope <> 'queue' or l.target = of_queue order by l.name for update;
  if not found then
    return;
  end if;
  return query
  with mine as materialized (
    select l.*, clock_timestamp() as seen_at from hive.usage_limit l where l.scope <> 'queue' or l.target = of_queue
  ),
  leased as materialized (
    select t.kind, t.key, sum(hive.slots_in(h.needs)) as count
    from hive.lease h
      cross join lateral unnest(h.task_ids) as m (id)
      cross join lateral (select k.kind, k.key from hive.task k where k.id = m.id and k.lease_id = h.id limit 1) t
    where exists (select from mine where mine.scope in ('kind', 'key') and mine.max_running is not null)
    group by t.kind, t.key
  ),
  counted as (
    select l.name, l.scope, l.target, l.max_running, l.rate, l.seen_at, l.open_until,
           greatest(1, least(slots, l.max_running, l.burst)) as weight,
           hive.refilled(l.tokens, l.refilled_at, l.rate, l.burst, l.seen_at) as tokens,
           case l.scope
             when 'queue' then
             (select coalesce(sum(h.open * hive.slots_in(h.needs)), 0) from hive.lease h where h.queue = l.target)
             when 'kind' then (select coalesce(sum(u.count), 0) from leased u where u.kind = l.target)
             when 'breaker' then (l.open_until > l.seen_at or exists (
               select from hive.task p where p.id = l.probe_id and (p.lease_id is not null or p.state = 'succeeded')
             ))::integer
             else (select coalesce(sum(u.count), 0) from leased u where starts_with(u.key, l.target))
           end as running
    from mine l
  )
  select c.name, c.scope, c.target, c.weight,
         greatest(0, least(c.max_running - c.running, floor(c.tokens)))::integer / c.weight,
         c.seen_at, c.tokens,
         case when c.tokens < c.weight then (c.weight - c.tokens) / c.rate
              when c.open_until > c.seen_at and isfinite(c.open_until) then extract(epoch from c.open_until - c.seen_at)
         end
  from counted c
  order by c.scope, c.name;
end
$$;
