-- Schedules: what is submitted again and again, what became of each tick, and what people did.

create table hive.schedule (
  id bigint generated always as identity primary key,
  name text not null unique,

  cron text,
  zone text not null default 'UTC',
  every interval,
  anchor timestamptz not null default date_trunc('second', clock_timestamp()),
  once_at timestamptz,

  kind text not null,
  payload jsonb not null default '{}',
  queue text not null default 'default',
  priority smallint not null default 0,
  max_attempts integer not null default 1,
  max_losses integer not null default 3,
  timeout interval,
  group_name text,

  missed text not null default 'last',
  max_missed integer not null default 100,
  overlap text not null default 'skip',
  spread interval,

  paused_at timestamptz,
  since timestamptz not null default clock_timestamp(),
  next_at timestamptz not null default '-infinity',
  revision bigint not null default 0,
  fault text,
  waiting integer not null default 0,
  open_task_ids bigint[] not null default '{}',
  last_tick_at timestamptz,
  last_task_id bigint,
  created_at timestamptz not null default clock_timestamp(),

  constraint a_schedule_has_a_name_of_at_most_200_characters check (name ~ '^\S{1,200}$'),
  constraint it_says_exactly_one_of_cron_every_and_once_at check (num_nonnulls(cron, every, once_at) = 1),
  constraint an_interval_is_at_least_a_second_and_has_no_months
    check (every >= interval '1 second' and extract(year from every) = 0 and extract(month from every) = 0),
  constraint missed_ticks_are_skip_last_or_all check (missed in ('skip', 'last', 'all')),
  constraint from_1_to_1000_ticks_are_made_up_for_or_wait check (max_missed between 1 and 1000),
  constraint ticks_that_overlap_are_allow_skip_or_queue check (overlap in ('allow', 'skip', 'queue')),
  constraint ticks_that_are_all_made_up_for_do_not_skip_one_another check (missed <> 'all' or overlap <> 'skip'),
  constraint a_spread_is_from_0_to_a_day check (spread between interval '0' and interval '1 day'),
  constraint its_priority_is_from_0_most_urgent_to_32767 check (priority >= 0),
  constraint its_queue_has_a_name_of_at_most_200_characters check (length(queue) between 1 and 200),
  constraint its_kind_has_a_name_of_at_most_200_characters check (length(kind) between 1 and 200),
  constraint its_group_has_a_name_of_at_most_200_characters check (length(group_name) between 1 and 200),
  constraint its_payload_is_stored_in_at_most_8_mebibytes check (pg_column_size(payload) <= 8388608),
  constraint its_tasks_have_at_least_one_attempt check (max_attempts >= 1),
  constraint losses_that_end_its_tasks_are_not_negative check (max_losses >= 0),
  constraint its_timeout_is_positive check (timeout > interval '0')
);

comment on column hive.schedule.since is 'Ticks count from here: when it was added, changed or resumed.';
comment on column hive.schedule.next_at is
  'The next tick; -infinity until a queen has reckoned it, infinity if there is none.';
comment on column hive.schedule.revision is
  'Counts the changes of when it is due, so that a queen who reckoned with an older one writes nothing.';
comment on column hive.schedule.fault is 'Why it cannot be reckoned.';
comment on column hive.schedule.waiting is 'How many of its ticks wait for a task of an earlier one to end.';
comment on column hive.schedule.open_task_ids is
  'Its tasks that had not ended at its last tick; where ticks may overlap, the last task alone.';

create index schedule_due on hive.schedule (next_at) where paused_at is null;
create index schedule_waiting on hive.schedule (id) where waiting > 0;

create table hive.tick (
  schedule_id bigint not null,
  tick_at timestamptz not null,
  schedule_name text not null,
  said text not null,
  outcome text not null,
  reason text,
  count integer not null default 1,
  task_id bigint,
  is_extra boolean not null default false,
  decided_at timestamptz not null default clock_timestamp(),
  primary key (schedule_id, tick_at),

  constraint a_tick_is_submitted_waiting_or_skipped check (outcome in ('submitted', 'waiting', 'skipped')),
  constraint only_a_submitted_tick_has_a_task check ((outcome = 'submitted') = (task_id is not null)),
  constraint only_a_skipped_tick_has_a_reason check ((outcome = 'skipped') = (reason is not null))
);
comment on table hive.tick is
  'What became of each tick, for as long as the event log is kept. The key is what makes a tick happen once.';
comment on column hive.tick.said is 'The moment in ISO 8601, as the clock on the schedule''s wall shows it.';
comment on column hive.tick.count is 'How many ticks the row tells of, of which it was the last.';

create index tick_task on hive.tick (task_id) where task_id is not null;
create index tick_waiting on hive.tick (schedule_id, tick_at) where outcome = 'waiting';
create index tick_age on hive.tick (decided_at);

create table if not exists hive.audit (
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  host text not null,
  what text not null,
  target text not null,
  details jsonb not null default '{}'
);
create index if not exists audit_at on hive.audit (at);
comment on table hive.audit is 'What people did: who, from which host, what, and to what.';

-- When it is due has changed: a queen reckons anew, from now on. The queens' own writes name none of these columns.
create function hive.reckon_schedule_anew() returns trigger language plpgsql as $$
begin
  if (new.cron, new.zone, new.every, new.anchor, new.once_at)
       is distinct from (old.cron, old.zone, old.every, old.anchor, old.once_at)
     or (old.paused_at is not null and new.paused_at is null) then
    new.since := clock_timestamp();
    new.next_at := '-infinity';
    new.revision := old.revision + 1;
    new.fault := null;
  end if;
  return new;
end
$$;
create trigger reckon_schedule_anew before update of cron, zone, every, anchor, once_at, paused_at on hive.schedule
  for each row execute function hive.reckon_schedule_anew();

create function hive.wake_schedulers() returns trigger language plpgsql as $$
begin
  notify hive_schedule;
  return null;
end
$$;
create trigger wake_schedulers after insert or update of cron, zone, every, anchor, once_at, paused_at on hive.schedule
  for each statement execute function hive.wake_schedulers();
