-- Which of these tasks belong to a group, wait in a queue, are of a kind?
--
-- $1 task_ids    bigint[]
-- $2 group_name  text      null for any, like those below
-- $3 queue       text
-- $4 kind        text
--
-- returns: the ids of those that fit everything that is given
select id
from hive.task
where id = any($1::bigint[])
  and ($2::text is null or group_name = $2::text)
  and ($3::text is null or queue = $3::text)
  and ($4::text is null or kind = $4::text)
