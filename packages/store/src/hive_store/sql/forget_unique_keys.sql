-- Forget unique keys that are older than any submit may look back, and whose task has ended or is gone.
--
-- $1 age_seconds  double precision
-- $2 limit        integer
--
-- returns: how many were forgotten
with old as materialized (
  select u.key
  from hive.unique_key u
  where u.at < statement_timestamp() - make_interval(secs => $1::double precision)
    and coalesce((select t.finished_at is not null from hive.task t where t.id = u.task_id), true)
  limit $2::integer
  for update skip locked
),
forgotten as (
  delete from hive.unique_key u using old where u.key = old.key
  returning 1
)
select count(*)::integer as count from forgotten
