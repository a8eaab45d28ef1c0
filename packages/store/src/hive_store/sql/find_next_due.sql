-- Find how long it is until the next task of a queue falls due that is scheduled and not held back: for tests.
--
-- $1 queue       text         null for any queue
-- $2 held_until  timestamptz  for when what is held back is scheduled
--
-- returns: one row, or none if nothing waits for its time
select run_at - statement_timestamp() as wait
from hive.task
where state = 'scheduled' and run_at > statement_timestamp() and run_at < $2::timestamptz
  and ($1::text is null or queue = $1::text)
order by run_at
limit 1
