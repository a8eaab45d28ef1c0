-- What readers of the schema's functions have found: a gate, a park and a limit that each forgot another.
--
-- A queen of an older Hive would ask for the room of limits as it was asked for before.
-- compatible_from: 20

-- For plain SQL, as before; but who waits for other tasks waits for no limit meanwhile: a claim takes
-- whoever stands in a limit's line, and is refused as a whole if one of them may not be handed out.
create or replace function hive.come_after() returns trigger language plpgsql as $$
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
  set state = (case when state = 'scheduled' then 'scheduled' else 'blocked' end)::hive.task_state, is_gated = true,
      waits_for_limit = null
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
update hive.task set waits_for_limit = null where is_gated and finished_at is null and waits_for_limit is not null;
