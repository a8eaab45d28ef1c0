-- Write down that somebody had a schedule's task submitted now, in the transaction that adds the task.
--
-- Later ticks see the task as one of the schedule's own.
--
-- $1 schedule_id  bigint
-- $2 tick_at      timestamptz
-- $3 said         text         the moment as its wall shows it
-- $4 task_id      bigint
-- $5 actor        text
-- $6 host         text
--
-- returns: the schedule's name, or no row if it is gone
with marked as (
  update hive.schedule s
  set open_task_ids = s.open_task_ids || $4::bigint, last_tick_at = $2::timestamptz, last_task_id = $4::bigint
  where s.id = $1::bigint
  returning s.id, s.name
),
told as (
  insert into hive.tick (schedule_id, tick_at, schedule_name, said, outcome, task_id, is_extra)
  select id, $2::timestamptz, name, $3::text, 'submitted', $4::bigint, true from marked
),
noted as (
  insert into hive.audit (actor, host, what, target, details)
  select $5::text, $6::text, 'schedule run', name, jsonb_build_object('task', $4::bigint) from marked
)
select name from marked
