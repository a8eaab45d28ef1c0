-- Write down where a task works, under its lease, and what became of it.
--
-- What an earlier claim of the same task has still to say comes too late.
--
-- $1 task_id      bigint
-- $2 lease_id     uuid
-- $3 id           bigint  the task that the workspace was made for
-- $4 host         text
-- $5 path         text
-- $6 kind         text
-- $7 state        text
-- $8 reason       text
-- $9 resumes      boolean
-- $10 repository  text
-- $11 branch      text
-- $12 base_branch text
-- $13 base_commit text
--
-- returns: the workspace, or nothing if the lease is gone
insert into hive.workspace as w (id, task_id, users, claims, host, path, kind, state, reason, resumes, repository, branch,
                                 base_branch, base_commit)
select $3::bigint, t.id, case when t.id <> $3::bigint then array[t.id] else '{}' end, t.claims, $4::text, $5::text,
       $6::text, $7::text, $8::text, $9::boolean, $10::text, $11::text, $12::text, $13::text
from hive.task t join hive.lease l on l.id = t.lease_id
where t.id = $1::bigint and t.lease_id = $2::uuid and l.expires_at > statement_timestamp()
on conflict (id) do update
set task_id = excluded.task_id,
    users = case when excluded.users <@ w.users then w.users else w.users || excluded.users end,
    claims = excluded.claims, host = excluded.host, path = excluded.path, kind = excluded.kind, state = excluded.state,
    reason = excluded.reason, resumes = excluded.resumes, repository = excluded.repository, branch = excluded.branch,
    base_branch = excluded.base_branch, base_commit = excluded.base_commit, changed_at = clock_timestamp()
where w.task_id <> excluded.task_id or w.claims <= excluded.claims
returning id
