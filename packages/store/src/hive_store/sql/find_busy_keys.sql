-- Which unfinished tasks have one of these keys?
--
-- $1 keys  text[]
--
-- returns: one row per task: its key and its id
select key, id
from hive.task
where key = any($1::text[]) and key is not null and finished_at is null
order by key, id
