-- Keys: tasks of one key never overlap, and start in the order submitted.
--
-- One task per key has the turn, from the grant to its end. A turn is over when its task is: the index
-- says so, and nothing has to be written for it. The claim knows nothing of keys: without the turn a
-- task is blocked, and not in the index that claims read.
--
-- compatible_from: 5

alter table hive.task
  add column key text,
  add column has_turn boolean,
  add constraint a_key_has_at_most_200_characters check (length(key) between 1 and 200),
  add constraint only_keyed_tasks_have_turns check ((key is null) = (has_turn is null));
comment on column hive.task.key is 'Tasks with the same key never run at the same time, and start in the order submitted.';
comment on column hive.task.has_turn is 'Whether it is, or was to its end, the one task of its key that may be queued or leased; null without a key.';

create unique index one_task_per_key_has_the_turn on hive.task (key) where has_turn and finished_at is null;
create index task_line on hive.task (key, id) where key is not null and state = 'blocked' and not has_turn;
create index task_keyed on hive.task (key, id) where key is not null and finished_at is null;
create index task_blocked on hive.task (queue) where state = 'blocked';

-- Keys whose next turn may be due: written by every submit, revive and end of a turn, in its transaction,
-- and taken out by the statement that grants turns, which looks with a snapshot of its own.
create table hive.key_wake (key text not null);
alter table hive.key_wake set (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);

-- For plain SQL: a task that is inserted with a key alone gets in line. Hive's own submit says it all itself.
create function hive.line_up() returns trigger language plpgsql as $$
begin
  new.has_turn := false;
  if new.state = 'queued' then
    new.state := 'blocked';
    insert into hive.key_wake (key) values (new.key);
  end if;
  return new;
end
$$;
create trigger line_up before insert on hive.task
  for each row when (new.key is not null and new.has_turn is null) execute function hive.line_up();

create function hive.wake_granters() returns trigger language plpgsql as $$
begin
  notify hive_queued;
  return null;
end
$$;
create trigger wake_granters after insert on hive.key_wake
  for each row execute function hive.wake_granters();
