-- Read the workspaces of the tasks that a task comes after.
--
-- $1 task_id  bigint
--
-- returns: one row per workspace
select w.id, w.task_id, w.host, w.path, w.kind, w.state, w.reason, w.resumes, w.repository, w.branch, w.base_branch,
       w.base_commit, w.changed_at
from hive.workspace w
where exists (
  select from hive.dependency d
  where d.child_id = $1::bigint and (d.parent_id = w.id or w.users @> array[d.parent_id]))
order by w.id
