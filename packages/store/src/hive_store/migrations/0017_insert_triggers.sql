-- What plain SQL inserts is completed by one trigger, and updates have none.
--
-- A trigger before the update of a row has Postgres lock each row first, with a record of its own in the
-- write-ahead log, whichever columns the trigger is for: some 2 µs for each claim and each end.
--
-- compatible_from: 16

drop trigger tidy_needs on hive.task;
drop trigger line_up on hive.task;

create function hive.complete_task() returns trigger language plpgsql as $$
declare
  labels text[];
  wrong text;
begin
  if new.key is not null and new.has_turn is null then
    new.has_turn := false;
    if new.state = 'queued' then
      new.state := 'blocked';
      insert into hive.key_wake (key) values (new.key);
    end if;
  end if;
  if new.needs <> '' then
    select array_agg(distinct btrim(n.label) collate "C" order by btrim(n.label) collate "C")
    into labels
    from unnest(string_to_array(new.needs, ',')) as n (label);
    select l.label into wrong from unnest(labels) as l (label) where l.label !~ '^[A-Za-z0-9][A-Za-z0-9_./=-]{0,62}$';
    if found then
      raise exception using errcode = 'check_violation', message = format(
        'a label is 1 to 63 letters of A to Z, digits and . _ - / =, of which the first is a letter or a digit, not %L', wrong);
    end if;
    if cardinality(labels) > 16 then
      raise exception 'a task needs 16 labels at most, not %', cardinality(labels) using errcode = 'check_violation';
    end if;
    new.needs := array_to_string(labels, ',');
  end if;
  return new;
end
$$;
create trigger complete_task before insert on hive.task
  for each row when ((new.key is not null and new.has_turn is null) or new.needs <> '')
  execute function hive.complete_task();

drop function hive.tidy_needs();
drop function hive.line_up();
comment on column hive.task.needs is
  'The labels that its worker must have, all of them: each once, in order, with commas. An insert is put in order; an update is not.';
