-- Add tasks of which some have conditions: they wait for more than their time.
--
-- As `submit_tasks`, which the others take because it costs them less. Conditions come as one JSON
-- object a task, of the fields named below. `after` holds ids of tasks that are there, `after_places` places
-- (from 1) of tasks among those given.
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
-- $10 conditions     text[]         JSON objects, null for none; as many as there are tasks
--
-- returns: one row, of the ids in the order given
-- births:  queued, scheduled, blocked
-- events:  queued
with given as (
  select g.*, c.*
  from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::integer[],
              $7::integer[], $8::interval[], $9::text[], $10::text[])
    with ordinality as g (kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                            conditions, place)
    cross join lateral jsonb_to_record(coalesce(g.conditions, '{}')::jsonb) as c (
      key text, expires_at timestamptz, after bigint[], after_places integer[], if_parent_fails hive.if_parent_fails
    )
),
added as (
  insert into hive.task (kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                         key, has_turn, expires_at, is_gated,
                         state)
  select coalesce(kind, ($1::text[])[1]), payload::jsonb, coalesce(queue, ($3::text[])[1]),
         coalesce(priority, ($4::smallint[])[1]), coalesce(run_at, statement_timestamp()),
         coalesce(max_attempts, ($6::integer[])[1]), coalesce(max_losses, ($7::integer[])[1]), timeout, group_name,
         key, case when key is not null then false end, expires_at,
         case when after is not null or after_places is not null then true end,
         (case when run_at > statement_timestamp() then 'scheduled'
               when key is not null or after is not null or after_places is not null then 'blocked'
               else 'queued' end)::hive.task_state
  from given
  order by place
  returning id, key, state
),
numbered as materialized (
  select array_agg(id order by id) as ids from added
),
edge as (
  insert into hive.dependency (child_id, parent_id, if_parent_fails, is_open)
  select n.ids[g.place], p.parent_id, coalesce(g.if_parent_fails, 'cancel'), true
  from given g
    cross join numbered n
    cross join lateral (
      select unnest(g.after) union select n.ids[place] from unnest(g.after_places) as a (place)
    ) as p (parent_id)
  where g.after is not null or g.after_places is not null
),
looked_at as (
  insert into hive.dependency_wake (child_id)
  select n.ids[g.place] from given g cross join numbered n where g.after is not null or g.after_places is not null
),
woken as (
  insert into hive.key_wake (key) select distinct key from added where key is not null and state = 'blocked'
),
told as (
  insert into hive.event (type, task_ids)
  select 'queued', array_agg(id) from added having count(*) > 0
)
select ids from numbered
