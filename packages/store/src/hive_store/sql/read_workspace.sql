-- Read the workspace that was made for a task, or else the last one that it worked in.
--
-- $1 task_id  bigint
--
-- returns: one row, or none
select id, task_id, host, path, kind, state, reason, resumes, repository, branch, base_branch, base_commit, changed_at
from hive.workspace
where id = $1::bigint or users @> array[$1::bigint]
order by id = $1::bigint desc, changed_at desc
limit 1
