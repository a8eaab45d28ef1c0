-- Groups: a name that tasks submitted together share, to ask for them and to act on them as one.

alter table hive.task
  add column group_name text,
  add constraint a_group_has_a_name_of_at_most_200_characters check (length(group_name) between 1 and 200);
comment on column hive.task.group_name is 'What the tasks of one bulk submit have in common; null for a task on its own.';

create index task_group on hive.task (group_name, id) where group_name is not null;
