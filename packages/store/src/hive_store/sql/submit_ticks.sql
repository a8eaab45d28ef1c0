-- Submit the ticks of schedules whose time has come, and move the schedules on, all in one.
--
-- What the queen reckoned holds for the schedule as she saw it: where `next_at` or `revision` is
-- another by now, or somebody else writes it at this moment, nothing is done. Beyond that a tick is
-- a row of `hive.tick`, whose key it can have once. A task with a key gets in line by the trigger on the table.
--
-- $1 schedule_ids      bigint[]
-- $2 revisions         bigint[]       as they were seen
-- $3 due_ats           timestamptz[]  `next_at` as it was seen; null for -infinity
-- $4 next_ats          timestamptz[]  the tick after those that are due; null if there is none
-- $5 left_out_counts   integer[]      missed ticks that are not made up for
-- $6 left_out_untils   timestamptz[]  the last of those; null if there are none
-- $7 left_out_saids    text[]         that one as its wall shows it
-- $8 faults            text[]         why it cannot be reckoned; null if it can
-- $9 tick_schedules    bigint[]       for each tick to submit: of which schedule it is
-- $10 ticks            timestamptz[]
-- $11 saids            text[]         the tick as its wall shows it, which the payload may name
--
-- returns: what became of ticks, in counts, with `late_seconds` for those submitted; and in one row how many schedules were moved on
-- births:  queued, scheduled
-- events:  queued
with held as materialized (
  select s.*, p.next_at as following, p.left_out, p.left_out_until, p.left_out_said, p.new_fault,
         array(select t.id from hive.task t where t.id = any(s.open_task_ids) and t.finished_at is null) as still_open
  from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::integer[], $6::timestamptz[],
              $7::text[], $8::text[])
         as p (id, revision, due_at, next_at, left_out, left_out_until, left_out_said, new_fault)
    -- One by one, and with words that `schedule_due` does not have: joined as a whole, all schedules were read.
    cross join lateral (
      select * from hive.schedule
      where id = p.id and next_at = coalesce(p.due_at, '-infinity') and revision = p.revision
        and num_nonnulls(paused_at) = 0
        -- A task that was submitted since this statement began cannot be seen, and would not count as open.
        and open_task_ids = (select b.open_task_ids from hive.schedule b where b.id = p.id)
      for update skip locked
    ) s
),
placed as materialized (
  select h.*, g.tick_at, g.said,
         row_number() over (partition by h.id order by g.tick_at) as place,
         (cardinality(h.still_open) > 0 or h.waiting > 0)::integer as is_busy
  from unnest($9::bigint[], $10::timestamptz[], $11::text[]) as g (id, tick_at, said)
    join held h on h.id = g.id
),
decided as materialized (
  select p.*,
         case
           when overlap = 'allow' or place + is_busy = 1 then 'submitted'
           when overlap = 'queue' and waiting + place - 1 + is_busy <= max_missed then 'waiting'
           else 'skipped' end as outcome
  from placed p
),
told as (
  insert into hive.tick as k (schedule_id, tick_at, schedule_name, said, outcome, reason, task_id)
  select id, tick_at, name, said, outcome,
         case when outcome = 'skipped' then case overlap when 'skip' then 'overlap' else 'backlog' end end,
         case when outcome = 'submitted' then nextval('hive.task_id_seq') end
  from decided
  order by tick_at, id
  on conflict do nothing
  returning k.schedule_id, k.tick_at, k.outcome, k.reason, k.task_id
),
left_out as (
  insert into hive.tick (schedule_id, tick_at, schedule_name, said, outcome, reason, count)
  select id, left_out_until, name, left_out_said, 'skipped', 'missed', left_out
  from held
  where left_out > 0
  on conflict do nothing
  returning count
),
added as (
  insert into hive.task (id, kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                         key, needs, breaker, retry, silence_timeout, expires_at, state)
  overriding system value
  select t.task_id, kind,
         case when position('{tick}' in payload::text) = 0 then payload
              else replace(payload::text, '{tick}', said)::jsonb end,
         queue, priority, r.run_at, max_attempts, max_losses, timeout, coalesce(group_name, name),
         key, needs, breaker, retry, silence_timeout, t.tick_at + expires_in,
         (case when r.run_at > statement_timestamp() then 'scheduled' else 'queued' end)::hive.task_state
  from told t
    join decided d on d.id = t.schedule_id and d.tick_at = t.tick_at
    cross join lateral (
      select greatest(statement_timestamp(), t.tick_at + coalesce(spread, interval '0') * random()) as run_at
      -- It names the row, so that chance is asked for each anew.
      where t.task_id is not null
    ) r
  returning id
),
announced as (
  insert into hive.event (type, task_ids)
  select 'queued', array_agg(id order by id) from added having count(*) > 0
),
tally as materialized (
  select schedule_id,
         count(*) filter (where outcome = 'waiting')::integer as waiting,
         array_agg(task_id order by tick_at) filter (where task_id is not null) as task_ids,
         max(tick_at) filter (where task_id is not null) as last_tick_at
  from told group by schedule_id
),
advanced as (
  update hive.schedule s
  set next_at = coalesce(h.following, 'infinity'),
      fault = h.new_fault,
      waiting = s.waiting + coalesce(n.waiting, 0),
      open_task_ids = case when s.overlap = 'allow' then coalesce(n.task_ids[cardinality(n.task_ids):], s.open_task_ids)
                           else h.still_open || coalesce(n.task_ids, '{}') end,
      last_tick_at = coalesce(n.last_tick_at, s.last_tick_at),
      last_task_id = coalesce(n.task_ids[cardinality(n.task_ids)], s.last_task_id)
  from held h
    left join tally n on n.schedule_id = h.id
  where s.id = h.id
)
select outcome, reason, 1 as count,
       extract(epoch from statement_timestamp() - tick_at)::double precision as late_seconds
from told
union all
select 'skipped', 'missed', count, null from left_out
union all
select 'advanced', null, count(*)::integer, null from held
