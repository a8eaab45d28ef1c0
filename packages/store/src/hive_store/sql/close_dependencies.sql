-- Close edges of the graph whose parents have ended: of up to $1 wake rows, and not more than about $2 edges.
--
-- A parent's row was written by the statement that ended it, and names every edge that was committed by then.
-- A child's row was written with its edges, for ends that could not see them: it is looked at at once, and
-- once more when every transaction is over that was open at the first look. Only then is no end under way
-- that has missed the edges.
--
-- Each closed edge wakes the gate of its child in the same transaction. Whether that was the last one is for
-- a later statement to say: of two that close the last two edges of a task, neither can see both.
--
-- When there is more than $2 edges to close, the wake rows stay for the next time.
--
-- $1 wake_limit  integer
-- $2 edge_limit  integer
--
-- returns: one row: how many wake rows were taken, and how many edges were closed
with wake as materialized (
  select ctid, parent_id, child_id, looked_xid
  from hive.dependency_wake
  where looked_xid is null or looked_xid < pg_snapshot_xmin(pg_current_snapshot())
  limit $1::integer
  for update skip locked
),
of_parents as materialized (
  select d.child_id, d.parent_id, p.state <> 'succeeded' and d.if_parent_fails = 'cancel' as is_fault
  from (select distinct parent_id from wake where parent_id is not null) w
    cross join lateral (
      select state from hive.task where id = w.parent_id and finished_at is not null limit 1
    ) p
    cross join lateral (
      select child_id, parent_id, if_parent_fails
      from hive.dependency
      where parent_id = w.parent_id and is_open
      limit $2::integer
      for update skip locked
    ) d
  limit $2::integer
),
of_children as materialized (
  select d.child_id, d.parent_id,
         (select p.state from hive.task p where p.id = d.parent_id) is distinct from 'succeeded'
           and d.if_parent_fails = 'cancel' as is_fault
  from (select distinct child_id from wake where child_id is not null) w
    cross join lateral (
      select child_id, parent_id, if_parent_fails
      from hive.dependency d
      where d.child_id = w.child_id and d.is_open
        and (select p.finished_at is null from hive.task p where p.id = d.parent_id) is not true
      limit $2::integer
      for update skip locked
    ) d
  limit $2::integer
),
closed as (
  update hive.dependency d
  set is_open = false, is_fault = e.is_fault
  from (select * from of_parents union select * from of_children) e
  where d.child_id = e.child_id and d.parent_id = e.parent_id
  returning d.child_id
),
is_whole as materialized (
  select (select count(*) from of_parents) < $2::integer and (select count(*) from of_children) < $2::integer as answer
),
looked_at as (
  update hive.dependency_wake
  set looked_xid = pg_current_xact_id()
  where ctid = any(array(select ctid from wake where child_id is not null and looked_xid is null))
    and (select answer from is_whole)
),
done as (
  delete from hive.dependency_wake
  where ctid = any(array(select ctid from wake where child_id is null or looked_xid is not null))
    and (select answer from is_whole)
),
woken as (
  insert into hive.gate_wake (child_id)
  select child_id from closed union select child_id from wake where child_id is not null
)
select (select count(*)::integer from wake) as taken, (select count(*)::integer from closed) as closed
