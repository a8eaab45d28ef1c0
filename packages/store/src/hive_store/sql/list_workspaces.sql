-- List workspaces, newest first, with the state of the task that worked in each last.
--
-- $1 host    text    null for any
-- $2 states  text[]  null for any
--
-- returns: one row per workspace; the task's state is null if the task is not kept any more
select w.id, w.task_id, w.host, w.path, w.kind, w.state, w.reason, w.resumes, w.repository, w.branch, w.base_branch,
       w.base_commit, w.changed_at, t.state::text as task_state,
       extract(epoch from statement_timestamp() - w.changed_at)::double precision as age_seconds
from hive.workspace w left join hive.task t on t.id = w.task_id
where ($1::text is null or w.host = $1::text) and ($2::text[] is null or w.state = any($2::text[]))
order by w.id desc
