-- Forget the workspaces that are gone, once their tasks are.
--
-- returns: how many were forgotten
with gone as (
  delete from hive.workspace w
  where w.state in ('accepted', 'removed')
    and not exists (select from hive.task t where t.id = w.id or t.id = w.task_id)
  returning 1
)
select count(*)::integer as count from gone
