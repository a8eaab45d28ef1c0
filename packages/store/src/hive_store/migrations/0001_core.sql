-- The durable core: tasks, leases, attempts, the event log, output, workers, queens, the term.
--
-- What is claimed is found through one partial index in claim order. `state` is in its predicate,
-- so no update of `state` is HOT and a fill factor below 100 buys nothing (measured: docs/decisions/0002).

create type hive.task_state as enum
  ('scheduled', 'queued', 'dispatched', 'running', 'succeeded', 'failed', 'cancelled');

create type hive.outcome as enum
  ('succeeded', 'failed', 'timed_out', 'cancelled', 'released', 'lost');

create type hive.event_type as enum
  ('queued', 'dispatched', 'started', 'succeeded', 'failed', 'cancelled', 'retried', 'released',
   'lost', 'cancel_requested', 'revived');

create table hive.task (
  id bigint generated always as identity (cache 1) primary key,
  queue text not null default 'default',
  kind text not null,
  payload jsonb not null default '{}',
  priority smallint not null default 0,
  state hive.task_state not null default 'queued',
  run_at timestamptz not null default now(),
  claims integer not null default 0,
  given_back integer not null default 0,
  failures integer not null default 0,
  losses integer not null default 0,
  max_attempts integer not null default 3,
  max_losses integer not null default 3,
  timeout interval,
  goes_alone boolean not null default false,
  lease_id uuid,
  ended_lease uuid,
  worker_id uuid,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  cancel_requested_at timestamptz,
  outcome hive.outcome,
  result jsonb,
  error text,

  constraint a_priority_is_from_0_most_urgent_to_32767 check (priority >= 0),
  constraint a_queue_has_a_name_of_at_most_200_characters check (length(queue) between 1 and 200),
  constraint a_kind_has_a_name_of_at_most_200_characters check (length(kind) between 1 and 200),
  -- A document of 1 MiB of JSON, which is the limit for submitters, takes up to 6 MiB as jsonb.
  constraint a_payload_is_stored_in_at_most_8_mebibytes check (pg_column_size(payload) <= 8388608),
  constraint a_task_has_at_least_one_attempt check (max_attempts >= 1),
  constraint losses_that_end_a_task_are_not_negative check (max_losses >= 0),
  constraint a_timeout_is_positive check (timeout > interval '0'),
  constraint only_dispatched_and_running_tasks_are_leased
    check ((state in ('dispatched', 'running')) = (lease_id is not null)),
  constraint only_ended_tasks_have_finished
    check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null))
);

comment on column hive.task.claims is
  'How often it was leased. Counts up and never down; the attempt that people see is claims - given_back.';
comment on column hive.task.given_back is
  'How many of the claims did not count: released, or lapsed before a start was written, or lost beside others.';
comment on column hive.task.failures is 'How many attempts ended in failure; held against max_attempts.';
comment on column hive.task.losses is 'How many attempts lost their worker; held against max_losses.';
comment on column hive.task.goes_alone is
  'After a lapse: it gets a lease of its own and its start is always written, so that a loss can be charged rightly.';
comment on column hive.task.ended_lease is
  'The lease under which its last attempt ended: tells a repeated finish, whose reply was lost, from a stale one.';
comment on column hive.task.worker_id is 'Who ended it.';

create index task_claimable on hive.task (queue, priority, run_at, id) where state = 'queued';
create index task_due on hive.task (run_at) where state = 'scheduled';
-- For the orphan query alone, which must not read ten million finished tasks each minute. The predicate
-- is one that no other statement's condition implies: offered `lease_id is not null`, the planner read all
-- leased tasks to finish 200 of them (an index on lease_id: 4.7 ms instead of 3.3, and square in the bundle).
create index task_leased on hive.task (id) where num_nonnulls(lease_id) = 1;

-- Two dead versions a task and drains that last seconds: vacuum by count, at once, without pauses.
alter table hive.task set (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

create table hive.lease (
  id uuid primary key,
  queen_id uuid not null,
  queue text not null,
  task_ids bigint[] not null,
  open integer not null,
  worker_id uuid,
  granted_at timestamptz not null default clock_timestamp(),
  accepted_at timestamptz,
  expires_at timestamptz not null,

  constraint an_open_lease_has_open_tasks check (open between 1 and cardinality(task_ids)),
  constraint an_accepted_lease_has_a_worker check ((accepted_at is null) = (worker_id is null))
);
create index lease_expiry on hive.lease (expires_at);
create index lease_queen on hive.lease (queen_id);
alter table hive.lease set (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);

create table hive.attempt (
  task_id bigint not null,
  claim integer not null,
  attempt integer not null,
  outcome hive.outcome not null,
  error text,
  worker_id uuid,
  lease_id uuid not null,
  started_at timestamptz,
  ended_at timestamptz not null default clock_timestamp(),
  primary key (task_id, claim)
);
comment on table hive.attempt is
  'How each ended attempt ended that was not its task''s last: the last one is on the task itself.';

create table hive.event (
  xid xid8 not null default pg_current_xact_id(),
  id bigint generated always as identity (cache 1),
  at timestamptz not null default clock_timestamp(),
  type hive.event_type not null,
  task_id bigint,
  task_ids bigint[],
  attempt integer,
  reason text,
  constraint an_event_concerns_one_task_or_a_list check ((task_id is null) <> (task_ids is null))
) partition by range (at);
create index event_cursor on hive.event (xid, id);
create index event_task on hive.event (task_id) where task_id is not null;
create table hive.event_default partition of hive.event default;
comment on table hive.event_default is
  'Catches what no day''s partition takes, so that no finish ever depends on maintenance having run.';

create table hive.output (
  task_id bigint not null,
  claim integer not null,
  stream text not null,
  position bigint not null,
  data bytea not null,
  at timestamptz not null default clock_timestamp(),
  constraint output_comes_from_stdout_or_stderr check (stream in ('stdout', 'stderr')),
  primary key (task_id, claim, stream, position)
);
comment on column hive.output.position is
  'Where the chunk starts in its stream, in bytes; a gap is what the cap left out.';

create table hive.worker (
  id uuid primary key,
  host text not null,
  pid integer not null,
  version text not null,
  queues text[] not null,
  slots integer not null,
  takes_bundles boolean not null default true,
  is_draining boolean not null default false,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  constraint a_worker_has_slots check (slots >= 1)
);

create table hive.queen (
  id uuid primary key,
  host text not null,
  pid integer not null,
  version text not null,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp()
);

create table hive.term (
  only_one boolean primary key default true,
  number bigint not null,
  queen_id uuid not null,
  expires_at timestamptz not null,
  constraint there_is_one_term check (only_one)
);

-- Wakes queens when, and only when, the submitter's transaction commits; also for plain SQL.
create function hive.wake_queens() returns trigger language plpgsql as $$
begin
  notify hive_queued;
  return null;
end
$$;
create trigger wake_queens after insert on hive.task
  for each statement execute function hive.wake_queens();

-- A partition for each day from today to $1 days ahead. A day whose rows already lie in the default
-- partition is skipped: they stay there, and are counted by an alarm.
create function hive.create_event_days(ahead integer) returns integer language plpgsql as $$
declare
  day date;
  made integer := 0;
begin
  perform set_config('lock_timeout', '200ms', true);
  for i in 0 .. ahead loop
    day := (clock_timestamp() at time zone 'UTC')::date + i;
    continue when to_regclass(format('hive.event_%s', to_char(day, 'YYYYMMDD'))) is not null;
    continue when exists (
      select from hive.event_default
      where at >= day::timestamp at time zone 'UTC' and at < (day + 1)::timestamp at time zone 'UTC');
    execute format(
      'create table hive.event_%s partition of hive.event for values from (%L) to (%L)',
      to_char(day, 'YYYYMMDD'), day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
    made := made + 1;
  end loop;
  return made;
end
$$;

-- Drop the partitions of days that ended more than $1 days ago. Gives up at once rather than wait
-- behind a reader, because everybody else would wait behind it.
create function hive.drop_event_days(keep integer) returns integer language plpgsql as $$
declare
  name text;
  dropped integer := 0;
begin
  perform set_config('lock_timeout', '200ms', true);
  for name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'hive.event'::regclass and c.relname ~ '^event_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < (clock_timestamp() at time zone 'UTC')::date - keep
  loop
    execute format('drop table hive.%I', name);
    dropped := dropped + 1;
  end loop;
  delete from hive.event_default where at < clock_timestamp() - make_interval(days => keep + 1);
  return dropped;
end
$$;

select hive.create_event_days(3);
