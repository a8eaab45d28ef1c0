-- Which budgets that tasks are under are used up?
--
-- $1 task_ids  bigint[]
--
-- returns: one row per task of which one is, with why nothing more is to be spent, in words
select t.id, b.reason
from hive.task t cross join lateral hive.spent_budget(t.queue, t.group_name) b
where t.id = any($1::bigint[]) and exists (select from hive.budget)
