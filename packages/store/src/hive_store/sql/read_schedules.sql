-- Read schedules: one by its name, or many in the order of their names.
--
-- $1 name        text     null for all
-- $2 after_name  text     only names behind this one; null from the beginning
-- $3 limit       integer
--
-- returns: one row per schedule found
select s.id, s.name, s.cron, s.zone, s.every, s.anchor, s.once_at, s.kind, s.payload, s.queue, s.priority,
       s.max_attempts, s.max_losses, s.timeout, s.group_name, s.missed, s.max_missed, s.overlap, s.spread,
       s.key, s.needs, s.breaker, s.retry, s.silence_timeout, s.expires_in,
       s.paused_at, s.since, nullif(nullif(s.next_at, 'infinity'), '-infinity') as next_at,
       s.next_at > '-infinity' as is_reckoned, s.fault, s.waiting, s.last_tick_at, s.last_task_id, s.created_at,
       statement_timestamp() as now
from hive.schedule s
where ($1::text is null or s.name = $1::text) and ($2::text is null or s.name > $2::text)
order by s.name
limit $3::integer
