-- The queues that are paused.
--
-- returns: one row per queue, by name
select name as queue, paused_at, paused_by, paused_reason from hive.queue where is_paused order by name
