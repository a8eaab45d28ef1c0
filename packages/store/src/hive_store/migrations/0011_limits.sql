-- Queues that can be paused, limits that hold for the whole cluster, and ageing.
--
-- Only queues with settings have a row. A limit is counted over living lease rows and never kept as a
-- number, so that no crash can leak a place: what a dead worker held is free when its lease is reaped.
--
-- A queen of an older Hive would claim beyond limits, and of queues that are paused.
-- compatible_from: 11

create table hive.queue (
  name text primary key,
  is_paused boolean not null default false,
  paused_at timestamptz,
  paused_by text,
  paused_reason text,
  constraint settings_are_of_a_queue_with_a_name check (length(name) between 1 and 200),
  constraint only_paused_queues_say_since_when check (is_paused = (paused_at is not null))
);

create table hive.usage_limit (
  name text primary key,
  scope text not null,
  target text not null,
  max_running integer,
  rate double precision,
  burst integer,
  tokens double precision,
  refilled_at timestamptz,
  constraint a_limit_is_of_a_queue_or_a_kind_or_a_key check (scope in ('queue', 'kind', 'key')),
  constraint a_limit_is_named_for_what_it_limits check (name = scope || ':' || target),
  constraint a_limit_has_a_target_of_at_most_200_characters check (length(target) between 1 and 200),
  constraint a_limit_limits_how_many_run_or_how_fast_they_start check (num_nonnulls(max_running, rate) > 0),
  constraint a_limit_of_running_tasks_is_not_negative check (max_running >= 0),
  constraint a_rate_is_more_than_0 check (rate > 0),
  constraint a_burst_is_at_least_1 check (burst >= 1),
  constraint a_rate_has_a_burst_and_tokens check (num_nonnulls(rate, burst, tokens, refilled_at) in (0, 4))
);
comment on column hive.usage_limit.target is 'The name of a queue or a kind, or what keys begin with.';
comment on column hive.usage_limit.rate is 'How many tasks may start in a second, in the long run.';
comment on column hive.usage_limit.burst is 'How many may start at once after a pause: the most tokens that there can be.';
comment on column hive.usage_limit.tokens is 'How many could start at refilled_at; since then more have come.';

alter table hive.task add column waits_for_limit text;
comment on column hive.task.waits_for_limit is
  'While it is blocked: the limit that was reached when its turn to be claimed had come.';

-- Made anew, as in 0004: a label that is added cannot be used before the transaction ends.
alter type hive.event_type rename to event_type_before;
create type hive.event_type as enum
  ('queued', 'dispatched', 'started', 'succeeded', 'failed', 'cancelled', 'retried', 'released',
   'lost', 'cancel_requested', 'revived', 'unblocked', 'held_up');
alter table hive.event alter column type type hive.event_type using type::text::hive.event_type;
drop type hive.event_type_before;

-- Their own line, in claim order: a claim reads its head, and never steps over the others.
create index task_held_up on hive.task (waits_for_limit, queue, priority, run_at, id)
  where state = 'blocked' and waits_for_limit is not null;

-- Who waits long becomes more urgent: from which moment that is counted, and what was asked for at first.
alter table hive.task add column submitted_priority smallint, add column raised_at timestamptz;
comment on column hive.task.submitted_priority is 'Its priority at first, if waiting has made it more urgent since.';
comment on column hive.task.raised_at is 'Until when its waiting has been made up for by a more urgent priority.';
create index task_ageing on hive.task (greatest(run_at, raised_at))
  where priority > 0 and (state = 'queued' or (state = 'blocked' and waits_for_limit is not null));

-- How many tokens there are at a moment, by the database's clock; one that was set back takes none away.
create function hive.refilled(tokens double precision, refilled_at timestamptz, rate double precision, burst integer,
                              at timestamptz)
returns double precision language sql immutable as $$
  select least(burst::double precision, tokens + rate * greatest(0, extract(epoch from at - refilled_at)))
$$;

-- Lock the limits that hold for a queue, then count what room each has left.
--
-- The count is a statement of its own, after the lock: its snapshot sees whatever was claimed under it.
-- Whoever waits here for a transaction that somebody left open gives up soon.
create function hive.lock_limits(of_queue text)
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
    select t.kind, t.key, count(*) as count
    from hive.lease h
      cross join lateral unnest(h.task_ids) as m (id)
      cross join lateral (select k.kind, k.key from hive.task k where k.id = m.id and k.lease_id = h.id limit 1) t
    where exists (select from mine where mine.scope <> 'queue' and mine.max_running is not null)
    group by t.kind, t.key
  ),
  counted as (
    select l.name, l.scope, l.target, l.max_running, l.rate, l.seen_at,
           hive.refilled(l.tokens, l.refilled_at, l.rate, l.burst, l.seen_at) as tokens,
           case l.scope
             when 'queue' then (select coalesce(sum(h.open), 0) from hive.lease h where h.queue = l.target)
             when 'kind' then (select coalesce(sum(u.count), 0) from leased u where u.kind = l.target)
             else (select coalesce(sum(u.count), 0) from leased u where starts_with(u.key, l.target))
           end as running
    from mine l
  )
  select c.name, c.scope, c.target,
         greatest(0, least(c.max_running - c.running, floor(c.tokens)))::integer,
         c.seen_at, c.tokens,
         case when c.tokens < 1 then (1 - c.tokens) / c.rate end
  from counted c
  order by c.scope, c.name;
end
$$;

-- Which of some tasks, in claim order, may be claimed now: until `most` are, or their queue has no room.
--
-- One after another, because what one takes is not there for the next. A task is held up by the first
-- limit that has no room for it: keys before kinds, as the limits are given.
create function hive.admit(kinds text[], keys text[], names text[], scopes text[], targets text[], rooms integer[],
                           most integer)
returns table (place integer, held_up_by text) language plpgsql immutable as $$
declare
  admitted integer := 0;
  is_subject boolean;
begin
  for i in 1 .. coalesce(cardinality(kinds), 0) loop
    exit when admitted >= most;
    place := i;
    held_up_by := null;
    for j in 1 .. coalesce(cardinality(names), 0) loop
      continue when rooms[j] > 0;
      if scopes[j] = 'queue' then
        return;
      end if;
      is_subject := case scopes[j] when 'kind' then kinds[i] = targets[j] else starts_with(keys[i], targets[j]) end;
      if held_up_by is null and is_subject then
        held_up_by := names[j];
      end if;
    end loop;
    return next;
    continue when held_up_by is not null;
    admitted := admitted + 1;
    for j in 1 .. coalesce(cardinality(names), 0) loop
      is_subject := case scopes[j] when 'queue' then true when 'kind' then kinds[i] = targets[j]
                                   else starts_with(keys[i], targets[j]) end;
      if is_subject then
        rooms[j] := rooms[j] - 1;
      end if;
    end loop;
  end loop;
end
$$;

-- What people do to queues and limits. Each act is told to the queens and written down, in its transaction.

create function hive.record_deed(by_whom text, from_host text, act text, on_what text, more jsonb)
returns void language sql as $$
  insert into hive.audit (actor, host, what, target, details)
  values (coalesce(by_whom, session_user), coalesce(from_host, inet_client_addr()::text, 'local'), act, on_what,
          jsonb_strip_nulls(more))
$$;

create function hive.pause_queue(queue_name text, reason text default null, by_whom text default null,
                                 from_host text default null)
returns boolean language plpgsql as $$
begin
  insert into hive.queue as q (name, is_paused, paused_at, paused_by, paused_reason)
  values (queue_name, true, clock_timestamp(), coalesce(by_whom, session_user), reason)
  on conflict (name) do update
  set is_paused = true, paused_at = excluded.paused_at, paused_by = excluded.paused_by,
      paused_reason = excluded.paused_reason
  where not q.is_paused;
  if not found then
    return false;
  end if;
  perform hive.record_deed(by_whom, from_host, 'pause', queue_name, jsonb_build_object('reason', reason));
  return true;
end
$$;
comment on function hive.pause_queue is
  'Claim nothing of a queue from now on; what runs goes on. Returns false if it was paused already.';

create function hive.resume_queue(queue_name text, by_whom text default null, from_host text default null)
returns boolean language plpgsql as $$
begin
  update hive.queue
  set is_paused = false, paused_at = null, paused_by = null, paused_reason = null
  where name = queue_name and is_paused;
  if not found then
    return false;
  end if;
  perform hive.record_deed(by_whom, from_host, 'resume', queue_name, '{}');
  perform pg_notify('hive_queued', '');
  return true;
end
$$;
comment on function hive.resume_queue is 'Claim tasks of a paused queue again. Returns false if it was not paused.';

create function hive.set_limit(of_scope text, of_target text, most integer default null,
                               starts_a_second double precision default null, most_at_once integer default null,
                               by_whom text default null, from_host text default null)
returns void language plpgsql as $$
declare
  size integer := case when starts_a_second is not null
                    then coalesce(most_at_once, greatest(1, ceil(starts_a_second))::integer) end;
begin
  insert into hive.usage_limit as l (name, scope, target, max_running, rate, burst, tokens, refilled_at)
  values (of_scope || ':' || of_target, of_scope, of_target, most, starts_a_second, size, size,
          case when size is not null then clock_timestamp() end)
  on conflict (name) do update
  set max_running = excluded.max_running, rate = excluded.rate, burst = excluded.burst,
      tokens = least(excluded.burst,
                     coalesce(hive.refilled(l.tokens, l.refilled_at, l.rate, l.burst, excluded.refilled_at),
                              excluded.tokens)),
      refilled_at = excluded.refilled_at;
  perform hive.record_deed(by_whom, from_host, 'set limit', of_scope || ':' || of_target,
    jsonb_build_object('max_running', most, 'rate', starts_a_second, 'burst', size));
  perform pg_notify('hive_queued', 'controls');
end
$$;
comment on function hive.set_limit is 'Limit how many tasks of a queue, a kind or keys with a prefix run, or start in a second.';

create function hive.remove_limit(of_scope text, of_target text, by_whom text default null, from_host text default null)
returns boolean language plpgsql as $$
begin
  delete from hive.usage_limit where name = of_scope || ':' || of_target;
  if not found then
    return false;
  end if;
  perform hive.record_deed(by_whom, from_host, 'remove limit', of_scope || ':' || of_target, '{}');
  perform pg_notify('hive_queued', 'controls');
  return true;
end
$$;
comment on function hive.remove_limit is
  'Lift a limit; queens let its waiting tasks go within a second. Returns false if there is none.';

create function hive.move_tasks(task_ids bigint[], to_queue text, by_whom text default null, from_host text default null)
returns setof bigint language plpgsql as $$
declare
  moved bigint[];
begin
  with waiting as materialized (
    select id
    from hive.task
    where id = any(task_ids) and state in ('blocked', 'scheduled', 'queued')
    order by id
    for update skip locked
  ),
  changed as (
    update hive.task t set queue = to_queue from waiting w where t.id = w.id returning t.id
  )
  select array_agg(id) into moved from changed;
  if moved is not null then
    perform hive.record_deed(by_whom, from_host, 'move tasks', to_queue,
      jsonb_build_object('tasks', cardinality(moved), 'first', (select min(m) from unnest(moved) m)));
    perform pg_notify('hive_queued', '');
  end if;
  return query select unnest(moved);
end
$$;
comment on function hive.move_tasks is
  'Have tasks wait in another queue; where they wait, they keep their priority and their time. Returns those that were '
  'moved: not those that somebody has, nor those that another transaction holds.';
