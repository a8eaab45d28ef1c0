-- Have so much time pass at once for everything that the store remembers, and ring for the queens: for tests.
--
-- The clock is Postgres' own and cannot be set; moving all that is compared with it is the same. What
-- moves is every column that is set below. What does not: the event log, whose rows keep their
-- day and with it their partition; when a migration was applied; a task that is held back, which
-- is known by the moment it is held until; the day on which something was spent; and schedules with their ticks,
-- which keep to the clock on the wall.
--
-- $1 passed      interval     how much
-- $2 held_until  timestamptz  for when what is held back is scheduled
--
-- returns: one row
with moved_task as (
  update hive.task
  set created_at = created_at - $1::interval,
      run_at = case when run_at >= $2::timestamptz then run_at else run_at - $1::interval end,
      expires_at = expires_at - $1::interval,
      parked_at = parked_at - $1::interval,
      asked_at = asked_at - $1::interval,
      parked_run_at = case when parked_run_at >= $2::timestamptz then parked_run_at else parked_run_at - $1::interval end,
      started_at = started_at - $1::interval,
      finished_at = finished_at - $1::interval,
      cancel_requested_at = cancel_requested_at - $1::interval,
      raised_at = raised_at - $1::interval
),
moved_unique_key as (
  update hive.unique_key
  set at = at - $1::interval
),
moved_lease as (
  update hive.lease
  set granted_at = granted_at - $1::interval,
      accepted_at = accepted_at - $1::interval,
      expires_at = expires_at - $1::interval
),
moved_attempt as (
  update hive.attempt
  set started_at = started_at - $1::interval,
      ended_at = ended_at - $1::interval,
      again_at = again_at - $1::interval
),
moved_question as (
  update hive.question
  set asked_at = asked_at - $1::interval,
      answered_at = answered_at - $1::interval
),
moved_spending as (
  update hive.spending
  set at = at - $1::interval
),
moved_output as (
  update hive.output
  set at = at - $1::interval
),
moved_worker as (
  update hive.worker
  set started_at = started_at - $1::interval,
      seen_at = seen_at - $1::interval,
      stuck_since = stuck_since - $1::interval
),
moved_queen as (
  update hive.queen
  set started_at = started_at - $1::interval,
      seen_at = seen_at - $1::interval
),
moved_audit as (
  update hive.audit
  set at = at - $1::interval
),
moved_workspace as (
  update hive.workspace
  set changed_at = changed_at - $1::interval
),
moved_subscriber as (
  update hive.subscriber
  set held_until = held_until - $1::interval
),
moved_webhook as (
  update hive.webhook
  set created_at = created_at - $1::interval,
      due_at = due_at - $1::interval,
      failing_since = failing_since - $1::interval,
      paused_at = paused_at - $1::interval,
      held_until = held_until - $1::interval
),
moved_webhook_delivery as (
  update hive.webhook_delivery
  set created_at = created_at - $1::interval,
      ended_at = ended_at - $1::interval
),
moved_pause as (
  update hive.queue
  set paused_at = paused_at - $1::interval
),
moved_limit as (
  update hive.usage_limit
  set refilled_at = refilled_at - $1::interval,
      open_until = open_until - $1::interval
),
moved_term as (
  update hive.term
  set expires_at = expires_at - $1::interval
)
select pg_notify('hive_queued', '')
