-- Workspaces: where the directories are in which tasks work, and what is to become of them.
--
-- A row outlives its task, for as long as the directory is there.

create table hive.workspace (
  id bigint primary key,
  task_id bigint not null,
  users bigint[] not null default '{}',
  claims integer not null,
  host text not null,
  path text not null,
  kind text not null,
  state text not null,
  reason text,
  resumes boolean not null default false,
  repository text,
  branch text,
  base_branch text,
  base_commit text,
  changed_at timestamptz not null default clock_timestamp(),
  constraint workspace_kind_is_known check (kind in ('fresh', 'repo')),
  constraint workspace_state_is_known check (
    state in ('in_use', 'kept', 'review', 'rejected', 'unwanted', 'accepted', 'removed')),
  constraint only_a_repo_has_a_branch check ((kind = 'repo') = (branch is not null))
);
comment on table hive.workspace is 'The directories in which tasks work, each on one machine.';
comment on column hive.workspace.id is 'The task that it was made for.';
comment on column hive.workspace.task_id is 'The task that worked in it last.';
comment on column hive.workspace.users is 'The other tasks that have worked in it.';
comment on column hive.workspace.claims is 'Which claim of task_id wrote this: an earlier one writes no more.';
create index workspace_users on hive.workspace using gin (users);
create index workspace_host on hive.workspace (host, id);
