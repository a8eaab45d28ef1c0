-- How many tasks wait for an answer?
--
-- returns: the number
select count(*)::integer
from hive.task
where id in (select task_id from hive.question where answer is null)
  and asked_at is not null and state in ('blocked', 'scheduled')
