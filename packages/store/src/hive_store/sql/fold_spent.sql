-- Add the sums of old days to one row for each queue and group, whose day is the first of 1970; of a group that has
-- neither a task nor a budget any more, to that of no group. Sums over all days stay what they are, at every moment.
--
-- $1 keep_days   integer  days of which the sums are kept, before this one; at least 0
-- $2 batch_size  integer
--
-- returns: how many rows were added to others
with old as materialized (
  select s.day, s.queue, s.group_name, case when g.is_wanted then s.group_name else '' end as goes_to
  from hive.spent s
    cross join lateral (
      select exists (select from hive.task t where t.group_name = s.group_name)
             or exists (select from hive.budget b where b.scope = 'group' and b.target = s.group_name) as is_wanted
    ) g
  where s.day < date_trunc('day', statement_timestamp(), 'UTC') - make_interval(hours => 24 * $1::integer)
    and (s.day <> 'epoch' or (s.group_name <> '' and not g.is_wanted))
  order by s.day, s.queue, s.group_name
  limit $2::integer
),
gone as (
  delete from hive.spent s using old o
  where s.day = o.day and s.queue = o.queue and s.group_name = o.group_name
  returning o.goes_to, s.queue, s.microdollars, s.tokens, s.turns, s.unpriced
),
added as (
  insert into hive.spent as s (day, queue, group_name, microdollars, tokens, turns, unpriced)
  select 'epoch', queue, goes_to, sum(microdollars), sum(tokens), sum(turns), sum(unpriced)
  from gone
  group by queue, goes_to
  on conflict (day, queue, group_name) do update
  set microdollars = s.microdollars + excluded.microdollars, tokens = s.tokens + excluded.tokens,
      turns = s.turns + excluded.turns, unpriced = s.unpriced + excluded.unpriced
)
select count(*)::integer as count from gone
