-- Which unfinished tasks have one of these keys?
--
-- $1 keys  text[]
--
-- returns: one row per task: its key, its id, and whether somebody has it
select key, id, num_nonnulls(lease_id) = 1 as is_leased
from hive.task
where key = any($1::text[]) and key is not null and finished_at is null
order by key, id
