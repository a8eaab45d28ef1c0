-- Let up to $1 tasks go on that wait for no other task any more, or cancel them if one did not succeed.
--
-- A gate is looked at because an edge of its task was closed. Whoever closed it has committed, and this
-- statement's snapshot is younger. A task that still has an open edge is left alone: the close of that edge
-- wakes it again.
--
-- What has a key goes on to the line of its key, where it has kept its place; what is scheduled stays so
-- until it is due. What goes to the queue is due from now on: it comes behind the watermarks of the claims.
--
-- A task whose row somebody else holds is left for the next time.
--
-- $1 limit  integer  most wake rows to take
--
-- returns: one row: how many wake rows are done with, how many tasks were queued, and which cancelled
-- moves:   blocked -> queued (unblock), blocked -> cancelled (cancel), scheduled -> cancelled (cancel)
-- events:  unblocked, cancelled
with wake as materialized (
  select ctid, child_id from hive.gate_wake limit $1::integer for update skip locked
),
waiting as materialized (
  select t.id
  from (select distinct child_id from wake) w
    cross join lateral (
      select id from hive.task where id = w.child_id and is_gated and finished_at is null limit 1
    ) t
),
child as materialized (
  select t.id, t.key, t.state
  from waiting w
    cross join lateral (
      select id, key, state
      from hive.task
      where id = w.id and is_gated and finished_at is null
      limit 1
      for update skip locked
    ) t
),
verdict as materialized (
  select c.id, c.key, c.state,
         (select d.parent_id from hive.dependency d where d.child_id = c.id and d.is_fault limit 1) as fault_id,
         (select d.is_open from hive.dependency d where d.child_id = c.id and d.is_open limit 1) is null as is_free
  from child c
),
cancelled as (
  update hive.task t
  set state = 'cancelled', finished_at = clock_timestamp(), outcome = 'cancelled',
      error = format('task %s, which it comes after, %s', v.fault_id,
        coalesce((select case p.state when 'failed' then 'failed' when 'cancelled' then 'was cancelled' end
                  from hive.task p where p.id = v.fault_id), 'did not succeed'))
  from verdict v
  where t.id = v.id and v.fault_id is not null
  returning t.id, t.key, t.error
),
freed as (
  update hive.task t
  set state = (case when v.state = 'scheduled' then 'scheduled' when v.key is null then 'queued' else 'blocked' end
              )::hive.task_state,
      is_gated = false,
      run_at = case when v.state = 'scheduled' then t.run_at else greatest(t.run_at, statement_timestamp()) end
  from verdict v
  where t.id = v.id and v.fault_id is null and v.is_free
  returning t.id, t.key, t.state
),
done as (
  delete from hive.gate_wake
  where ctid = any(array(
    select ctid from wake
    where child_id <> all(array(select id from waiting)) or child_id = any(array(select id from child))))
  returning 1
),
lined_up as (
  insert into hive.key_wake (key)
  select key from freed where key is not null and state = 'blocked' union select key from cancelled where key is not null
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from cancelled)))
),
told as (
  insert into hive.event (type, task_id, reason)
  select 'unblocked'::hive.event_type, id, null from freed where state = 'queued'
  union all
  select 'cancelled', id, error from cancelled
)
select (select count(*)::integer from done) as taken,
       (select count(*)::integer from freed where state = 'queued') as queued,
       array(select id from cancelled) as cancelled_ids
