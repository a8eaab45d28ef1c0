-- Dependencies: a task that comes after others waits until they have ended.
--
-- A task comes only after tasks with smaller ids. So there is no cycle, whoever adds edges, in whatever
-- order, and whatever is revived; and no task waits for one that stands behind it in the line of its key.
--
-- A worker of an older Hive would end tasks without waking those that come after them.
-- compatible_from: 10

alter table hive.task
  add column is_gated boolean,
  add constraint a_task_that_waits_for_others_is_not_handed_out
    check (is_gated is not true or state not in ('queued', 'dispatched', 'running'));
comment on column hive.task.is_gated is 'Whether a task that it comes after has not ended; null if it comes after none.';
create index task_gated on hive.task (id) where is_gated and finished_at is null;

create type hive.if_parent_fails as enum ('cancel', 'run');

create table hive.dependency (
  child_id bigint not null,
  parent_id bigint not null,
  if_parent_fails hive.if_parent_fails not null default 'cancel',
  is_open boolean,
  is_fault boolean not null default false,
  primary key (child_id, parent_id),
  constraint a_task_comes_only_after_tasks_with_smaller_ids check (parent_id < child_id),
  constraint an_edge_is_open_or_closed check (is_open is not null),
  constraint a_parent_at_fault_has_ended check (not (is_fault and is_open))
);
comment on table hive.dependency is 'Which task comes after which: the child waits until the parent has ended.';
comment on column hive.dependency.is_open is 'Whether the end of the parent is still to be seen.';
comment on column hive.dependency.is_fault is 'The parent did not succeed, and the child is to be cancelled for it.';
create index dependency_open on hive.dependency (child_id) where is_open;
create index dependency_of_parent on hive.dependency (parent_id, is_open);
create index dependency_fault on hive.dependency (child_id) where is_fault;

-- Edges to look at: those to a parent that has ended, written by whatever ended it, and those of a child,
-- written with its edges. `looked_xid` is the transaction that looked first: an end that was under way then
-- may not have seen the edges, so that a child is looked at again when every such transaction is over.
create table hive.dependency_wake (
  parent_id bigint,
  child_id bigint,
  looked_xid xid8,
  constraint a_wake_names_a_parent_or_a_child check (num_nonnulls(parent_id, child_id) = 1)
);
-- Tasks that may have come to the end of their waiting: an edge of each was closed.
create table hive.gate_wake (child_id bigint not null);
alter table hive.dependency_wake set (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
alter table hive.gate_wake set (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
create trigger wake_granters after insert on hive.dependency_wake
  for each row execute function hive.wake_granters();
create trigger wake_granters after insert on hive.gate_wake
  for each row execute function hive.wake_granters();

-- Which of the tasks, just ended by the calling statement, others wait for.
--
-- Volatile, because its query must have a snapshot of its own, younger than the caller's transaction id. With
-- the snapshot of the caller's statement it could miss an edge that was committed after that began, and nobody
-- could tell from the running transactions that it was still under way.
create function hive.awaited(task_ids bigint[]) returns bigint[] language plpgsql volatile as $$
begin
  return array(select distinct d.parent_id from hive.dependency d where d.is_open and d.parent_id = any(task_ids));
end
$$;

-- Keep tasks from being pruned before the calling transaction is over; return the ids that no task has.
--
-- Only what has ended is locked, since nothing else is pruned, and a claim passes over what is locked.
create function hive.hold_parents(task_ids bigint[]) returns bigint[] language plpgsql volatile as $$
begin
  perform from hive.task where id = any(task_ids) and finished_at is not null for key share;
  return array(
    select given.id from unnest(task_ids) as given (id)
    where not exists (select from hive.task t where t.id = given.id)
    order by given.id);
end
$$;

-- Which of these tasks, that have ended, an unfinished task comes after. It may still want their results.
--
-- Volatile, as `awaited`: pruning asks when it has locked them, and whoever is to come after one has been let through.
create function hive.needed(task_ids bigint[]) returns bigint[] language plpgsql volatile as $$
begin
  return array(
    select distinct d.parent_id
    from hive.dependency d cross join lateral (select finished_at from hive.task where id = d.child_id limit 1) c
    where d.parent_id = any(task_ids) and c.finished_at is null);
end
$$;

-- The way by which a task comes after itself if it is to come after another: itself first and last; null without one.
create function hive.circle(child bigint, parent bigint) returns bigint[] language sql stable as $$
  with recursive way (id, from_id) as (
    select parent, child
    union
    select d.parent_id, w.id from way w join hive.dependency d on d.child_id = w.id
    where d.parent_id >= child and w.id > child
  ),
  back (id, path) as (
    select child, array[child]
    union all
    select w.from_id, w.from_id || b.path
    from back b
      cross join lateral (select from_id from way where id = b.id order by from_id desc limit 1) w
    where cardinality(b.path) = 1 or b.id <> child
  )
  select path from back where id = child and cardinality(path) > 1
$$;

-- For plain SQL: an edge that is inserted with its two tasks alone makes the child wait. Hive's own submit says it all itself.
create function hive.come_after() returns trigger language plpgsql as $$
declare
  circle bigint[];
begin
  if new.parent_id >= new.child_id then
    circle := hive.circle(new.child_id, new.parent_id);
    if circle is not null then
      raise exception 'tasks would wait for one another in a circle: %', array_to_string(circle, ' after ')
        using errcode = 'check_violation';
    end if;
    raise exception 'task % cannot come after task %: a task comes only after tasks with smaller ids',
        new.child_id, new.parent_id
      using errcode = 'check_violation';
  end if;
  if hive.hold_parents(array[new.parent_id]) <> '{}' then
    raise exception 'there is no task %, which task % is to come after', new.parent_id, new.child_id
      using errcode = 'foreign_key_violation';
  end if;
  update hive.task
  set state = (case when state = 'scheduled' then 'scheduled' else 'blocked' end)::hive.task_state, is_gated = true
  where id = new.child_id and state in ('blocked', 'scheduled', 'queued') and has_turn is not true;
  if not found then
    raise exception 'task % is not there, or waits no more: it cannot be made to come after task %',
        new.child_id, new.parent_id
      using errcode = 'foreign_key_violation';
  end if;
  new.is_open := true;
  insert into hive.dependency_wake (child_id) values (new.child_id);
  return new;
end
$$;
create trigger come_after before insert on hive.dependency
  for each row when (new.is_open is null) execute function hive.come_after();
