-- Unique keys: a submit that says what another has said already gets that task, and adds none.

create table hive.unique_key (
  key text primary key,
  task_id bigint not null,
  at timestamptz not null default clock_timestamp(),
  constraint a_unique_key_has_at_most_200_characters check (length(key) between 1 and 200)
);
comment on column hive.unique_key.task_id is 'The last task that was submitted with this key.';

alter table hive.task add column unique_key text;
create index task_unique_key on hive.task (unique_key, id) where unique_key is not null;
