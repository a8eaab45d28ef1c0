-- The schedules whose time has come, and the one that is next.
--
-- Nothing is locked: the queen reckons what is to be done, and what she then writes
-- (`submit_ticks.sql`) changes nothing if somebody was faster.
--
-- $1 batch_size  integer  most schedules that are due
--
-- returns: schedules, those that are due first, and one that is not; `due_at` is null while nobody has reckoned it
(select id, revision, nullif(next_at, '-infinity') as due_at, cron, zone, every, anchor, once_at, missed, max_missed,
        since, statement_timestamp() as now, true as is_due, 0::double precision as in_seconds
 from hive.schedule
 where paused_at is null and next_at <= statement_timestamp()
 order by next_at
 limit $1::integer)
union all
(select id, revision, next_at, cron, zone, every, anchor, once_at, missed, max_missed,
        since, statement_timestamp(), false, extract(epoch from next_at - statement_timestamp())::double precision
 from hive.schedule
 where paused_at is null and next_at > statement_timestamp() and next_at < 'infinity'
 order by next_at
 limit 1)
