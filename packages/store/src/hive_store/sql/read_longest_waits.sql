-- How long the longest waiting queued task of each queue has been due: the age that alerts look at.
--
-- returns: one row per queue in which a task waits
select queue,
       extract(epoch from statement_timestamp() - min(run_at))::double precision as waiting_seconds
from hive.task
where state = 'queued'
group by queue
