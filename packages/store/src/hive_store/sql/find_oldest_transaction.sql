-- The transaction that holds back the event log and the vacuum: the oldest one still open.
--
-- Any database of the server counts: the log's tail stands still behind a writer elsewhere, too.
--
-- returns: one row, or none
select pid, datname as database, usename as username, application_name, state,
       extract(epoch from clock_timestamp() - xact_start)::double precision as age_seconds
from pg_stat_activity
where xact_start is not null and pid <> pg_backend_pid() and (backend_xid is not null or backend_xmin is not null)
  and backend_type = 'client backend'
order by xact_start
limit 1
