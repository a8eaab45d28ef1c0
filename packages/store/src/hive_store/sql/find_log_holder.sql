-- Is the tail of the event log held back, and by which open transaction?
--
-- Events are withheld while a transaction is open that began to write before theirs, in any database
-- of the server. One that only reads holds nothing back. The columns of the holder are null if it is
-- not to be seen: prepared, or of another role.
--
-- returns: one row if events are withheld, else none
select pid, datname as database, usename as username, application_name, state,
       extract(epoch from clock_timestamp() - xact_start)::double precision as age_seconds
from (select) as log
  left join lateral (
    select *
    from pg_stat_activity
    where backend_xid is not null and pid <> pg_backend_pid()
    order by age(backend_xid) desc
    limit 1
  ) as holder on true
where exists (select from hive.event where xid >= pg_snapshot_xmin(pg_current_snapshot()))
