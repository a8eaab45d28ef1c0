-- Submit the earliest waiting tick of each schedule none of whose tasks is open any more.
--
-- A statement of its own, asked again and again: what the end of a task may let go is seen by a
-- later look, never by the one that ends it.
--
-- Where another queen has submitted since this statement began, neither her task nor what she wrote of
-- the tick can be seen, only the schedule's row: so that must be as it was seen, or nothing is done.
--
-- $1 batch_size  integer  most schedules
--
-- returns: one row per task added: its id, and how late it is
-- births:  queued, scheduled
-- events:  queued
with seen as materialized (
  select s.id, s.open_task_ids
  from hive.schedule s
  where s.waiting > 0 and s.paused_at is null
    and not exists (select from hive.task t where t.id = any(s.open_task_ids) and t.finished_at is null)
  order by s.id
  limit $1::integer
),
ready as materialized (
  select s.*
  from seen n
    cross join lateral (
      select * from hive.schedule
      where id = n.id and open_task_ids = n.open_task_ids and waiting > 0 and num_nonnulls(paused_at) = 0
      for update skip locked
    ) s
),
chosen as materialized (
  select r.*, k.tick_at, k.said, nextval('hive.task_id_seq') as task_id
  from ready r
    cross join lateral (
      select tick_at, said from hive.tick
      where schedule_id = r.id and outcome = 'waiting'
      order by tick_at
      limit 1
    ) k
),
told as (
  update hive.tick k
  set outcome = 'submitted', task_id = c.task_id, decided_at = clock_timestamp()
  from chosen c
  where k.schedule_id = c.id and k.tick_at = c.tick_at
),
added as (
  insert into hive.task (id, kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                         key, needs, breaker, retry, silence_timeout, expires_at, state)
  overriding system value
  select task_id, kind,
         case when position('{tick}' in payload::text) = 0 then payload
              else replace(payload::text, '{tick}', said)::jsonb end,
         queue, priority, r.run_at, max_attempts, max_losses, timeout, coalesce(group_name, name),
         key, needs, breaker, retry, silence_timeout, c.tick_at + expires_in,
         (case when r.run_at > statement_timestamp() then 'scheduled' else 'queued' end)::hive.task_state
  from chosen c
    cross join lateral (
      select greatest(statement_timestamp(), c.tick_at + coalesce(spread, interval '0') * random()) as run_at
    ) r
  returning id
),
announced as (
  insert into hive.event (type, task_ids)
  select 'queued', array_agg(id order by id) from added having count(*) > 0
),
advanced as (
  update hive.schedule s
  set waiting = s.waiting - 1,
      open_task_ids = array[c.task_id],
      last_tick_at = c.tick_at,
      last_task_id = c.task_id
  from chosen c
  where s.id = c.id
)
select task_id, extract(epoch from statement_timestamp() - tick_at)::double precision as late_seconds from chosen
