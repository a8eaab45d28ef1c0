-- Labels: a task may need a worker that has some, and then waits in a line of its own within its queue.
--
-- Programs of an older schema know nothing of such lines, and would give these tasks to any worker.
--
-- compatible_from: 15

alter table hive.task add column needs text not null default '';
comment on column hive.task.needs is 'The labels that its worker must have, all of them: each once, in order, with commas.';

drop index hive.task_claimable;
create index task_claimable on hive.task (queue, needs, priority, run_at, id) where state = 'queued';
drop index hive.task_held_up;
create index task_held_up on hive.task (waits_for_limit, queue, needs, priority, run_at, id)
  where state = 'blocked' and waits_for_limit is not null;
-- For finding the lines with needs in which tasks wait, without a look at all the others. A line is served
-- also while all of it waits for limits.
create index task_needing on hive.task (queue, needs)
  where needs <> '' and (state = 'queued' or (state = 'blocked' and waits_for_limit is not null));

alter table hive.lease add column needs text not null default '';
comment on column hive.lease.needs is 'What each of its tasks needs.';
create index lease_needing on hive.lease (queue, needs) where needs <> '';

alter table hive.worker add column labels text[] not null default '{}';

-- However they were written, the same needs are the same text: it is what names a line.
create function hive.tidy_needs() returns trigger language plpgsql as $$
declare
  labels text[];
  wrong text;
begin
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
  return new;
end
$$;
create trigger tidy_needs before insert or update of needs on hive.task
  for each row when (new.needs <> '') execute function hive.tidy_needs();
