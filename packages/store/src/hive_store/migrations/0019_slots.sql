-- Slots: a task may take several slots of its worker, and then waits in a line of its own within its queue.
--
-- What it takes stands before the labels that it needs, as in 'slots:2,gpu': lines, their index, claims and
-- leases are as they were, and tasks of one slot are what they were. Programs of an older schema
-- take 'slots:2' for a label that no worker has, and leave such tasks alone.

create function hive.slots_in(needs text) returns integer language sql immutable parallel safe as $$
  select case when needs like 'slots:%' then substring(needs from '^slots:([0-9]+)')::integer else 1 end
$$;
comment on function hive.slots_in is 'How many slots a task takes, by what it needs.';

create function hive.labels_in(needs text) returns text[] language sql immutable parallel safe as $$
  select string_to_array(case when needs like 'slots:%' then regexp_replace(needs, '^slots:[0-9]+,?', '') else needs end, ',')
$$;
comment on function hive.labels_in is 'The labels that a worker must have, by what a task needs.';

comment on column hive.task.needs is
  'What its worker must have: slots if they are several, as slots:2, and all of the labels, each once, in order, with commas. An insert is put in order; an update is not.';

-- As before, with slots.
create or replace function hive.complete_task() returns trigger language plpgsql as $$
declare
  labels text[];
  slots text[];
  wrong text;
begin
  if new.key is not null and new.has_turn is null then
    new.has_turn := false;
    if new.state = 'queued' then
      new.state := 'blocked';
      insert into hive.key_wake (key) values (new.key);
    end if;
  end if;
  if new.needs <> '' then
    select array_agg(distinct l.label collate "C" order by l.label collate "C") filter (where l.label not like 'slots:%'),
           array_agg(l.label) filter (where l.label like 'slots:%')
    into labels, slots
    from (select btrim(n.label) as label from unnest(string_to_array(new.needs, ',')) as n (label)) l;
    select l.label into wrong from unnest(labels) as l (label) where l.label !~ '^[A-Za-z0-9][A-Za-z0-9_./=-]{0,62}$';
    if found then
      raise exception using errcode = 'check_violation', message = format(
        'a label is 1 to 63 letters of A to Z, digits and . _ - / =, of which the first is a letter or a digit, not %L', wrong);
    end if;
    if cardinality(labels) > 16 then
      raise exception 'a task needs 16 labels at most, not %', cardinality(labels) using errcode = 'check_violation';
    end if;
    if cardinality(slots) > 1 or slots[1] !~ '^slots:(1000|[1-9][0-9]{0,2})$' then
      raise exception using errcode = 'check_violation', message = format(
        'a task takes 1 to 1000 slots, said once as in slots:2, not %L', array_to_string(slots, ','));
    end if;
    new.needs := array_to_string(array_remove(slots, 'slots:1') || labels, ',');
  end if;
  return new;
end
$$;

-- As before, but a task that takes several slots counts as so many.
create or replace function hive.lock_limits(of_queue text)
returns table (name text, scope text, target text, room integer, at timestamptz, tokens double precision,
               next_seconds double precision)
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
  select c.name, c.scope, c.target,
         greatest(0, least(c.max_running - c.running, floor(c.tokens)))::integer,
         c.seen_at, c.tokens,
         case when c.tokens < 1 then (1 - c.tokens) / c.rate
              when c.open_until > c.seen_at and isfinite(c.open_until) then extract(epoch from c.open_until - c.seen_at)
         end
  from counted c
  order by c.scope, c.name;
end
$$;
