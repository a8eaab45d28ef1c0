-- Queue up to $1 tasks that wait for a limit which is there no more.
--
-- The limits that are waited for are found one after another by their index, however many tasks wait.
--
-- $1 limit  integer
--
-- returns: how many tasks were queued
-- moves:   blocked -> queued (unblock)
-- events:  unblocked
with recursive waited as (
  (select waits_for_limit as name
   from hive.task
   where state = 'blocked' and waits_for_limit is not null
   order by waits_for_limit
   limit 1)
  union all
  select (select t.waits_for_limit
          from hive.task t
          where t.state = 'blocked' and t.waits_for_limit is not null and t.waits_for_limit > w.name
          order by t.waits_for_limit
          limit 1)
  from waited w
  where w.name is not null
),
held as materialized (
  select t.id
  from waited w cross join lateral (
    select id
    from hive.task
    where state = 'blocked' and waits_for_limit is not null and waits_for_limit = w.name
    limit $1::integer
    for update skip locked
  ) t
  where not exists (select from hive.usage_limit l where l.name = w.name)
  limit $1::integer
),
changed as (
  update hive.task t
  set state = 'queued', waits_for_limit = null
  from held
  where t.id = held.id
  returning t.id
),
told as (
  insert into hive.event (type, task_ids) select 'unblocked', array_agg(id) from changed having count(*) > 0
)
select count(*)::integer, pg_notify('hive_queued', '') from changed
