-- What attempts spend, and budgets: how much groups, queues and the whole Hive may.
--
-- Each attempt has a row of its own, in all. Beside it the sums of a day, of a queue and a group are kept as
-- they grow: budgets are asked often, and what was spent outlives its task. Money is whole millionths of a
-- dollar; what nobody knows is null in an attempt, and counted in the sums as so many attempts of unknown price.
--
-- A worker of an older Hive would start what a budget keeps.
-- compatible_from: 25

create table hive.spending (
  task_id bigint not null,
  claim integer not null,
  microdollars bigint,
  input_tokens bigint,
  output_tokens bigint,
  turns bigint,
  at timestamptz not null default clock_timestamp(),
  primary key (task_id, claim),
  constraint what_is_spent_is_not_negative
    check (least(microdollars, input_tokens, output_tokens, turns) >= 0)
);
comment on table hive.spending is 'What each attempt has spent so far, in all; null is unknown.';

create table hive.spent (
  day timestamptz not null,
  queue text not null,
  group_name text not null,
  microdollars bigint not null default 0,
  tokens bigint not null default 0,
  turns bigint not null default 0,
  unpriced bigint not null default 0,
  primary key (day, queue, group_name)
);
comment on table hive.spent is 'What was spent on a day (UTC) by the tasks of a queue and a group (empty for none), as it was told.';
comment on column hive.spent.day is 'The midnight in UTC with which it began.';
comment on column hive.spent.unpriced is 'How many attempts have spent what nobody knows the price of.';
create index spent_group on hive.spent (group_name, day);

-- Write what held attempts have spent so far, and add what is new of it to the sums of the day; return those tasks.
--
-- Who repeats it while the first is still at work waits for the tasks, and then, in a statement of its own, sees
-- what the first has written. The sums are written in one order, so that nobody waits for another in a ring.
create function hive.write_spending(of_tasks bigint[], of_leases uuid[], told_microdollars bigint[],
                                    told_input_tokens bigint[], told_output_tokens bigint[], told_turns bigint[])
returns setof bigint language plpgsql as $$
declare
  held bigint[];
begin
  select array_agg(l.id) into held
  from (
    select t.id
    from unnest(of_tasks, of_leases) as g (id, lease_id)
      join hive.task t on t.id = g.id and t.lease_id = g.lease_id
    order by t.id
    for no key update of t
  ) l;
  with told as materialized (
    select t.id, t.claims as claim, t.queue, coalesce(t.group_name, '') as group_name,
           g.microdollars, g.input_tokens, g.output_tokens, g.turns
    from unnest(of_tasks, told_microdollars, told_input_tokens, told_output_tokens, told_turns)
      as g (id, microdollars, input_tokens, output_tokens, turns)
      join hive.task t on t.id = g.id
    where g.id = any(held)
  ),
  before as materialized (
    select s.task_id, s.microdollars, s.input_tokens, s.output_tokens, s.turns
    from told join hive.spending s on s.task_id = told.id and s.claim = told.claim
  ),
  kept as (
    insert into hive.spending as s (task_id, claim, microdollars, input_tokens, output_tokens, turns)
    select id, claim, microdollars, input_tokens, output_tokens, turns from told
    on conflict (task_id, claim) do update
    set microdollars = greatest(s.microdollars, excluded.microdollars),
        input_tokens = greatest(s.input_tokens, excluded.input_tokens),
        output_tokens = greatest(s.output_tokens, excluded.output_tokens),
        turns = greatest(s.turns, excluded.turns),
        at = clock_timestamp()
  ),
  grown as (
    select told.queue, told.group_name,
           sum(greatest(0, told.microdollars - coalesce(b.microdollars, 0))) as microdollars,
           sum(coalesce(greatest(0, told.input_tokens - coalesce(b.input_tokens, 0)), 0)
               + coalesce(greatest(0, told.output_tokens - coalesce(b.output_tokens, 0)), 0)) as tokens,
           sum(greatest(0, told.turns - coalesce(b.turns, 0))) as turns,
           sum((coalesce(told.microdollars, b.microdollars) is null)::integer
               - (b.task_id is not null and b.microdollars is null)::integer) as unpriced
    from told left join before b on b.task_id = told.id
    group by told.queue, told.group_name
  )
  insert into hive.spent as s (day, queue, group_name, microdollars, tokens, turns, unpriced)
  select date_trunc('day', statement_timestamp(), 'UTC'), queue, group_name,
         coalesce(microdollars, 0), tokens, coalesce(turns, 0), unpriced
  from grown
  order by queue, group_name
  on conflict (day, queue, group_name) do update
  set microdollars = s.microdollars + excluded.microdollars, tokens = s.tokens + excluded.tokens,
      turns = s.turns + excluded.turns, unpriced = s.unpriced + excluded.unpriced;
  return query select unnest(held);
end
$$;

create table hive.budget (
  name text not null primary key generated always as (
    scope || case when target = '' then '' else ':' || target end || case when is_daily then '/day' else '' end
  ) stored,
  scope text not null,
  target text not null,
  is_daily boolean not null,
  microdollars bigint,
  tokens bigint,
  turns bigint,
  constraint a_budget_is_of_a_group_or_a_queue_or_all check (scope in ('group', 'queue', 'all')),
  constraint a_budget_names_its_group_or_queue
    check (case when scope = 'all' then target = '' else target ~ '^\S{1,200}$' end),
  constraint a_budget_says_how_much check (num_nonnulls(microdollars, tokens, turns) > 0),
  constraint a_budget_is_not_negative check (least(microdollars, tokens, turns) >= 0)
);
comment on table hive.budget is 'How much may be spent: in all, or (is_daily) on each day in UTC; null for as much as is wanted.';

-- Money in words of people: cents, and what is less than ten of them as it is.
create function hive.in_usd(microdollars bigint) returns text language sql immutable as $$
  select case when microdollars between 1 and 99999 then trim_scale(round(microdollars / 1e6, 6))
              else round(microdollars / 1e6, 2) end::text || ' USD'
$$;

create view hive.budget_use as
select b.name, b.scope, b.target, b.is_daily, b.microdollars as most_microdollars, b.tokens as most_tokens,
       b.turns as most_turns, u.microdollars, u.tokens, u.turns, u.unpriced,
       coalesce(u.microdollars >= b.microdollars, false) or coalesce(u.tokens >= b.tokens, false)
         or coalesce(u.turns >= b.turns, false) as is_used_up,
       case when b.is_daily then date_trunc('day', statement_timestamp(), 'UTC') + interval '24 hours' end as until,
       'budget ' || b.name || ' is used up: ' || concat_ws(', ',
         case when u.microdollars >= b.microdollars
           then format('%s of %s', hive.in_usd(u.microdollars), hive.in_usd(b.microdollars)) end,
         case when u.tokens >= b.tokens then format('%s of %s tokens', u.tokens, b.tokens) end,
         case when u.turns >= b.turns then format('%s of %s turns', u.turns, b.turns) end) as reason
from hive.budget b
  cross join lateral (
    select coalesce(sum(s.microdollars), 0)::bigint as microdollars, coalesce(sum(s.tokens), 0)::bigint as tokens,
           coalesce(sum(s.turns), 0)::bigint as turns, coalesce(sum(s.unpriced), 0)::bigint as unpriced
    from hive.spent s
    where (not b.is_daily or s.day = date_trunc('day', statement_timestamp(), 'UTC'))
      and case b.scope when 'queue' then s.queue = b.target when 'group' then s.group_name = b.target else true end
  ) u;
comment on view hive.budget_use is 'The budgets, what is spent of each, and why and until when nothing more is.';

-- Which budget of a task is used up, if one is: one that no day brings back before one that is new tomorrow.
create function hive.spent_budget(of_queue text, of_group text)
returns table (name text, reason text, until timestamptz) language sql stable as $$
  select b.name, b.reason, b.until
  from hive.budget_use b
  where b.is_used_up
    and case b.scope when 'queue' then b.target = of_queue when 'group' then b.target = of_group else true end
  order by b.until nulls first, b.name
  limit 1
$$;

-- Let tasks go on that were set aside by a budget which is not used up (any more); return how many. Who parks by
-- hand leaves the error of a task as it is, whatever reason is given.
create function hive.free_from_budgets(by_whom text default null, from_host text default null)
returns integer language plpgsql as $$
declare
  freed integer;
begin
  select count(*) into freed
  from hive.unpark(array(
    select t.id
    from hive.task t
    where t.state = 'scheduled' and t.parked_at is not null and t.error = t.parked_reason
      and t.parked_reason ~ '^budget \S+ is used up: '
      and not exists (
        select from hive.budget_use b
        where b.is_used_up and starts_with(t.parked_reason, 'budget ' || b.name || ' is used up: '))
    limit 10000), by_whom, from_host);
  return freed;
end
$$;

create function hive.set_budget(of_scope text, of_target text, daily boolean, most_microdollars bigint default null,
                                most_tokens bigint default null, most_turns bigint default null,
                                by_whom text default null, from_host text default null)
returns integer language plpgsql as $$
declare
  called text;
begin
  insert into hive.budget as b (scope, target, is_daily, microdollars, tokens, turns)
  values (of_scope, of_target, daily, most_microdollars, most_tokens, most_turns)
  on conflict (name) do update
  set microdollars = excluded.microdollars, tokens = excluded.tokens, turns = excluded.turns
  returning b.name into called;
  perform hive.record_deed(by_whom, from_host, 'set budget', called,
    jsonb_build_object('microdollars', most_microdollars, 'tokens', most_tokens, 'turns', most_turns));
  return hive.free_from_budgets(by_whom, from_host);
end
$$;
comment on function hive.set_budget is
  'Set how much a group, a queue or (scope all, target '''') everything may spend: in all, or daily. Returns how many tasks that lets go on.';

create function hive.remove_budget(budget_name text, by_whom text default null, from_host text default null)
returns integer language plpgsql as $$
begin
  delete from hive.budget where name = budget_name;
  if not found then
    return null;
  end if;
  perform hive.record_deed(by_whom, from_host, 'remove budget', budget_name, '{}');
  return hive.free_from_budgets(by_whom, from_host);
end
$$;
comment on function hive.remove_budget is
  'Lift a budget. Returns how many tasks that lets go on; null if there is none.';
