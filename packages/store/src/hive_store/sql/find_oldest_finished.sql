-- When did the finished task with the lowest id end? None that is kept is much older.
--
-- returns: one row, or none if no task has finished
select finished_at, extract(epoch from statement_timestamp() - finished_at)::double precision as age_seconds
from hive.task
where finished_at is not null
order by id
limit 1
