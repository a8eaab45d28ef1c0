-- Write that attempts have started, under leases that were accepted and have not expired.
--
-- Leases are locked before tasks. The tasks are locked before they are written, and so seen as they are
-- now: a start that is repeated while the first is still at work finds it written, and is not refused.
--
-- A task does not begin while its breaker keeps it: nothing does that was not written to have begun when
-- the breaker was opened. Nor does it while a budget that it is under is used up; where there are no budgets
-- nothing is asked of them.
--
-- $1 task_ids   bigint[]
-- $2 lease_ids  uuid[]    the lease of each task, in the same order
--
-- returns: the tasks whose start is now written, or was already, and with `kept_by` those that a breaker keeps, with `spent` (and `until`) those that a budget does; the others are no longer held
-- moves:   dispatched -> running (start)
-- events:  started
with given as materialized (
  select * from unnest($1::bigint[], $2::uuid[]) as g (id, lease_id)
),
held as materialized (
  select l.id, l.worker_id
  from hive.lease l
  where l.id = any($2::uuid[]) and l.worker_id is not null and l.expires_at > statement_timestamp()
  order by l.id
  for key share
),
mine as materialized (
  select t.id, t.lease_id, t.state, t.breaker, t.queue, t.group_name, held.worker_id
  from given g
    join held on held.id = g.lease_id
    join hive.task t on t.id = g.id and t.lease_id = g.lease_id
  where (select count(*) from held) > 0
  for update of t
),
kept as materialized (
  select mine.id, mine.breaker
  from mine
  where mine.breaker is not null and mine.state = 'dispatched' and hive.is_shut(mine.breaker, mine.id)
),
spent as materialized (
  select mine.id, b.reason, b.until
  from mine cross join lateral hive.spent_budget(mine.queue, mine.group_name) b
  where mine.state = 'dispatched' and exists (select from hive.budget)
),
started as (
  update hive.task t
  set state = 'running', started_at = clock_timestamp(), worker_id = mine.worker_id
  from mine
  where t.id = mine.id and t.lease_id = mine.lease_id and mine.state = 'dispatched'
    and not exists (select from kept where kept.id = mine.id)
    and not exists (select from spent where spent.id = mine.id)
  returning t.id, t.claims - t.given_back as attempt
),
told as (
  insert into hive.event (type, task_id, attempt)
  select 'started', id, attempt from started
)
select mine.id, kept.breaker as kept_by, spent.reason as spent, spent.until
from mine
  left join kept on kept.id = mine.id
  left join spent on spent.id = mine.id
