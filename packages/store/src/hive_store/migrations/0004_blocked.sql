-- A state for tasks that wait for other tasks, and an event for the moment when they need not any more.
--
-- A step of its own: Postgres does not let the transaction that adds a label use it.

alter type hive.task_state add value 'blocked' before 'scheduled';
alter type hive.event_type add value 'unblocked';
