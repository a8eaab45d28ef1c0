-- Move tasks that nobody has to another queue; where they wait, they keep their priority and their time.
--
-- A task that another transaction holds is skipped; the caller asks again.
--
-- $1 task_ids  bigint[]
-- $2 queue     text
--
-- returns: the tasks that are in that queue now
with waiting as materialized (
  select id
  from hive.task
  where id = any($1::bigint[]) and state in ('blocked', 'scheduled', 'queued')
  order by id
  for update skip locked
),
changed as (
  update hive.task t set queue = $2::text from waiting w where t.id = w.id returning t.id
)
select id, pg_notify('hive_queued', '') from changed
