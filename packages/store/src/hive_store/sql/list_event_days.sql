-- The days that have a partition of the event log.
--
-- returns: one row per day
select to_date(right(c.relname, 8), 'YYYYMMDD') as day
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'hive.event'::regclass and c.relname ~ '^event_[0-9]{8}$'
order by day
