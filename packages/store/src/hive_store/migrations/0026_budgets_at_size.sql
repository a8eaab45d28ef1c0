-- What attempts spend, and what budgets keep, is looked up at a cost that does not grow with the tables.
--
-- On a connection that does not sort, the tasks of attempts were found by reading all tasks in the order of their
-- ids (300,000 tasks and 100 attempts: 6 s). And what is spent was summed once for each task that a budget had set
-- aside, instead of once.
--
-- compatible_from: 25

-- As before (0025 says why rows are locked first, and why in one order), but for the first statement: it looks up
-- the tasks by their ids.
create or replace function hive.write_spending(of_tasks bigint[], of_leases uuid[], told_microdollars bigint[],
                                               told_input_tokens bigint[], told_output_tokens bigint[],
                                               told_turns bigint[])
returns setof bigint language plpgsql as $$
declare
  held bigint[];
begin
  select array_agg(l.id) into held
  from (
    select t.id
    from hive.task t
    where t.id = any(of_tasks) and t.lease_id = of_leases[array_position(of_tasks, t.id)]
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

-- As before (0025), but what is used up is found first, and once.
create or replace function hive.free_from_budgets(by_whom text default null, from_host text default null)
returns integer language plpgsql as $$
declare
  shut text[];
  freed integer;
begin
  select array_agg('budget ' || b.name || ' is used up: ') into shut from hive.budget_use b where b.is_used_up;
  select count(*) into freed
  from hive.unpark(array(
    select t.id
    from hive.task t
    where t.state = 'scheduled' and t.parked_at is not null and t.error = t.parked_reason
      and t.parked_reason ~ '^budget \S+ is used up: '
      and not exists (select from unnest(shut) as s (beginning) where starts_with(t.parked_reason, s.beginning))
    limit 10000), by_whom, from_host);
  return freed;
end
$$;
-- As `hive roles` has it, which queens that have a role of their own need: a new body comes without.
alter function hive.free_from_budgets security definer set search_path = pg_catalog, hive, pg_temp;
