-- Circuit breakers: after the first sign that a quota is used up, no task that names it begins.
--
-- A breaker that is open is a limit: its row is there while it is open, and then while one task after
-- another tries whether the quota is back. Whoever waits, waits in the limit's line; whoever is let go,
-- is let go as from a limit that is lifted. A breaker that is closed has no row.
--
-- Queens of an older Hive would claim past it, and their claims ask for what is made anew here.
-- compatible_from: 18

alter table hive.task
  add column breaker text,
  add constraint a_breaker_has_a_name_without_white_space check (breaker ~ '^\S{1,200}$');
comment on column hive.task.breaker is 'The breaker that keeps it waiting while open, and that it opens when it meets a quota.';

alter table hive.usage_limit
  add column open_until timestamptz,
  add column opened integer,
  add column probe_id bigint,
  add column reason text,
  drop constraint a_limit_is_of_a_queue_or_a_kind_or_a_key,
  add constraint a_limit_is_of_a_queue_or_a_kind_or_a_key_or_a_breaker
    check (scope in ('queue', 'kind', 'key', 'breaker')),
  add constraint only_breakers_are_open check ((scope = 'breaker') = (num_nonnulls(open_until, opened) = 2)),
  add constraint only_breakers_have_probes_and_reasons check (scope = 'breaker' or num_nonnulls(probe_id, reason) = 0);
comment on column hive.usage_limit.open_until is 'Of a breaker: until when nothing begins; afterwards one task at a time is tried.';
comment on column hive.usage_limit.opened is 'Of a breaker: how often in a row it was opened.';
comment on column hive.usage_limit.probe_id is 'Of a breaker: the task that was claimed last to be tried.';

-- Lock the limits that hold for a queue, then count what room each has left.
--
-- The count is a statement of its own, after the lock: its snapshot sees whatever was claimed under it.
-- A breaker has room for one task, its probe, and for none while it is open. A probe that has succeeded
-- closes it soon (`hive.close_proven_breakers`).
--
-- Whoever waits here for a transaction that somebody left open gives up soon.
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
    select t.kind, t.key, count(*) as count
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
             when 'queue' then (select coalesce(sum(h.open), 0) from hive.lease h where h.queue = l.target)
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

drop function hive.admit(text[], text[], text[], text[], text[], integer[], integer);

-- Which of some tasks, in claim order, may be claimed now: until `most` are, or their queue has no room.
--
-- One after another, because what one takes is not there for the next. A task is held up by the first
-- limit that has no room for it: breakers before keys before kinds, as the limits are given.
create function hive.admit(kinds text[], keys text[], breakers text[], names text[], scopes text[], targets text[],
                           rooms integer[], most integer)
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
      is_subject := case scopes[j] when 'kind' then kinds[i] = targets[j] when 'breaker' then breakers[i] = targets[j]
                                   else starts_with(keys[i], targets[j]) end;
      if held_up_by is null and is_subject then
        held_up_by := names[j];
      end if;
    end loop;
    return next;
    continue when held_up_by is not null;
    admitted := admitted + 1;
    for j in 1 .. coalesce(cardinality(names), 0) loop
      is_subject := case scopes[j] when 'queue' then true when 'kind' then kinds[i] = targets[j]
                                   when 'breaker' then breakers[i] = targets[j]
                                   else starts_with(keys[i], targets[j]) end;
      if is_subject then
        rooms[j] := rooms[j] - 1;
      end if;
    end loop;
  end loop;
end
$$;

-- Who opens a breaker excludes those who are about to begin, until both have committed. They do not wait
-- for him (`hive.is_shut`), nor he for anybody who waits.
create function hive.breaker_lock(of_breaker text) returns bigint language sql immutable as $$
  select hashtextextended('hive breaker ' || of_breaker, 0)
$$;

-- Open a breaker, as a signal does. One that is open stays so for longer if it must, and never for less;
-- one that was open lately, and is not closed, opens for twice as long as before if nobody knows better.
create function hive.keep_open(of_breaker text, seconds double precision, why text)
returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hive.breaker_lock(of_breaker));
  insert into hive.usage_limit as l (name, scope, target, max_running, open_until, opened, reason)
  values ('breaker:' || of_breaker, 'breaker', of_breaker, 1,
          clock_timestamp() + make_interval(secs => coalesce(seconds, 30)), 1, why)
  on conflict (name) do update
  set open_until = case
        when l.open_until > clock_timestamp()
          then greatest(l.open_until, clock_timestamp() + make_interval(secs => seconds))
        else clock_timestamp() + make_interval(secs => coalesce(seconds, least(3600, 30 * 2 ^ least(l.opened, 20)))) end,
      opened = l.opened + (l.open_until <= clock_timestamp())::integer,
      probe_id = null,
      reason = excluded.reason;
  perform pg_notify('hive_queued', 'controls');
end
$$;

-- Open the breaker of a task that is held under a lease; return which that is, null if there is none.
create function hive.trip_breaker(of_task bigint, under_lease uuid, seconds double precision, why text)
returns text language plpgsql as $$
declare
  tripped text;
begin
  select t.breaker into tripped from hive.task t where t.id = of_task and t.lease_id = under_lease;
  if tripped is not null then
    perform hive.keep_open(tripped, seconds, why);
  end if;
  return tripped;
end
$$;

-- Whether a task may not begin, because its breaker is there and it is not the one to try, or because
-- somebody opens the breaker at this moment. What is false stays so until the transaction ends.
create function hive.is_shut(of_breaker text, for_task bigint) returns boolean language plpgsql volatile as $$
begin
  return not pg_try_advisory_xact_lock_shared(hive.breaker_lock(of_breaker))
    or exists (select from hive.usage_limit l
               where l.name = 'breaker:' || of_breaker and l.probe_id is distinct from for_task);
end
$$;

-- Close the breakers whose probe has succeeded, or has run for a minute without meeting the quota: what
-- works for an hour would keep all others waiting. Return which.
create function hive.close_proven_breakers() returns setof text language sql volatile as $$
  with proven as materialized (
    select l.name
    from hive.usage_limit l join hive.task t on t.id = l.probe_id
    where l.scope = 'breaker'
      and (t.state = 'succeeded' or (t.state = 'running' and t.started_at < clock_timestamp() - interval '1 minute'))
    order by l.name
    for update of l
  )
  delete from hive.usage_limit l using proven p where l.name = p.name returning l.target
$$;

create function hive.open_breaker(of_breaker text, for_how_long interval default null, because text default null,
                                  by_whom text default null, from_host text default null)
returns void language plpgsql as $$
declare
  moment timestamptz := coalesce(clock_timestamp() + for_how_long, 'infinity');
  why text := coalesce(nullif(because, ''), 'by hand');
begin
  perform pg_advisory_xact_lock(hive.breaker_lock(of_breaker));
  insert into hive.usage_limit as l (name, scope, target, max_running, open_until, opened, reason)
  values ('breaker:' || of_breaker, 'breaker', of_breaker, 1, moment, 1, why)
  on conflict (name) do update
  set open_until = excluded.open_until, probe_id = null, reason = excluded.reason;
  perform hive.record_deed(by_whom, from_host, 'open breaker', of_breaker,
    jsonb_build_object('until', nullif(moment, 'infinity'), 'reason', why));
  perform pg_notify('hive_queued', 'controls');
end
$$;
comment on function hive.open_breaker is
  'Begin no task of a breaker for a while, or (null) until it is closed; what runs goes on. One that is open is open for so long then.';

create function hive.close_breaker(of_breaker text, by_whom text default null, from_host text default null)
returns boolean language plpgsql as $$
begin
  delete from hive.usage_limit where scope = 'breaker' and target = of_breaker;
  if not found then
    return false;
  end if;
  perform hive.record_deed(by_whom, from_host, 'close breaker', of_breaker, '{}');
  perform pg_notify('hive_queued', 'controls');
  return true;
end
$$;
comment on function hive.close_breaker is
  'Close a breaker; queens let its waiting tasks go within a second. Returns false if it is not open.';
