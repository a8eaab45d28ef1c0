-- Add tasks: queued if they are due now, scheduled if they are due later.
--
-- One statement and one event for any number of tasks. Queens are woken by the trigger on the
-- table, in the caller's transaction, so that a task that is rolled back wakes nobody.
--
-- A column that has one value for all tasks may be given as that value alone, and one that is null
-- for all as no values.
--
-- $1 kinds           text[]
-- $2 payloads        text[]         JSON; as many as there are tasks
-- $3 queues          text[]
-- $4 priorities      smallint[]     0 is most urgent
-- $5 run_ats         timestamptz[]  null for now; each its own, or none
-- $6 max_attempts    integer[]
-- $7 max_losses      integer[]
-- $8 timeouts        interval[]     null for none; each its own, or none
-- $9 group_names     text[]         null for none; each its own, or none
--
-- returns: one row, of the ids in the order given, and nothing of whether they are new: all are
-- births:  queued, scheduled
-- events:  queued
with given as (
  select *
  from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::integer[],
              $7::integer[], $8::interval[], $9::text[])
    with ordinality as g (kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                            place)
),
added as (
  insert into hive.task (kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                         state)
  select coalesce(kind, ($1::text[])[1]), payload::jsonb, coalesce(queue, ($3::text[])[1]),
         coalesce(priority, ($4::smallint[])[1]), coalesce(run_at, statement_timestamp()),
         coalesce(max_attempts, ($6::integer[])[1]), coalesce(max_losses, ($7::integer[])[1]), timeout, group_name,
         (case when run_at > statement_timestamp() then 'scheduled' else 'queued' end)::hive.task_state
  from given
  order by place
  returning id
),
told as (
  insert into hive.event (type, task_ids)
  select 'queued', array_agg(id) from added having count(*) > 0
)
select array_agg(id order by id) as ids, null::boolean[] as are_new from added
