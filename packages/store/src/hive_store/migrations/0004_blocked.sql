-- A state for tasks that wait for other tasks, and an event for the moment when they need not any more.
--
-- The types are made anew, and the tables that use them written once more: a label that is added to a
-- type cannot be used before the transaction ends, and a backup is restored in one.

alter type hive.task_state rename to task_state_before;
create type hive.task_state as enum
  ('blocked', 'scheduled', 'queued', 'dispatched', 'running', 'succeeded', 'failed', 'cancelled');

drop index hive.task_claimable, hive.task_due;
alter table hive.task
  drop constraint only_dispatched_and_running_tasks_are_leased,
  drop constraint only_ended_tasks_have_finished,
  alter column state drop default,
  alter column state type hive.task_state using state::text::hive.task_state;
alter table hive.task
  alter column state set default 'queued',
  add constraint only_dispatched_and_running_tasks_are_leased
    check ((state in ('dispatched', 'running')) = (lease_id is not null)),
  add constraint only_ended_tasks_have_finished
    check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null));
create index task_claimable on hive.task (queue, priority, run_at, id) where state = 'queued';
create index task_due on hive.task (run_at) where state = 'scheduled';
drop type hive.task_state_before;

alter type hive.event_type rename to event_type_before;
create type hive.event_type as enum
  ('queued', 'dispatched', 'started', 'succeeded', 'failed', 'cancelled', 'retried', 'released',
   'lost', 'cancel_requested', 'revived', 'unblocked');
alter table hive.event alter column type type hive.event_type using type::text::hive.event_type;
drop type hive.event_type_before;
