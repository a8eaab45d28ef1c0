-- Write what attempts have spent so far, and add what is new of it to the sums of the day.
--
-- Only of attempts that are held. Repeated, it changes nothing: what is told is in all, and never shrinks.
-- The sums are written in one order, so that of two who write them nobody waits for the other in a ring.
--
-- $1 task_ids       bigint[]  each task once
-- $2 lease_ids      uuid[]    the lease of each, in the same order
-- $3 microdollars   bigint[]  null if nobody knows; so are the others
-- $4 input_tokens   bigint[]
-- $5 output_tokens  bigint[]
-- $6 turns          bigint[]
--
-- returns: the tasks that are held
with told as materialized (
  select t.id, t.claims as claim, t.queue, coalesce(t.group_name, '') as group_name,
         g.microdollars, g.input_tokens, g.output_tokens, g.turns
  from unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as g (id, lease_id, microdollars, input_tokens, output_tokens, turns)
    join hive.task t on t.id = g.id and t.lease_id = g.lease_id
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
),
summed as (
  insert into hive.spent as s (day, queue, group_name, microdollars, tokens, turns, unpriced)
  select date_trunc('day', statement_timestamp(), 'UTC'), queue, group_name,
         coalesce(microdollars, 0), tokens, coalesce(turns, 0), unpriced
  from grown
  order by queue, group_name
  on conflict (day, queue, group_name) do update
  set microdollars = s.microdollars + excluded.microdollars, tokens = s.tokens + excluded.tokens,
      turns = s.turns + excluded.turns, unpriced = s.unpriced + excluded.unpriced
)
select id from told
