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
-- Of tasks with a unique key only those are added of whose key no other task counts; of several in one
-- submit the first. The row of a key is written in any case: who submits it at the same moment waits for
-- the other, and is told the other's task, which its own snapshot cannot see. (A task that is not to be
-- seen counts, unless its key is old: then retention has taken it.) Keys are taken in their order, so that
-- no two of these statements wait for one another.
--
-- returns: one row, of the ids in the order given, and of whether each task is new
-- births:  queued, scheduled, blocked
-- events:  queued
with given as materialized (
  select g.*, c.*, nextval('hive.task_id_seq') as new_id
  from (
    select *
    from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::timestamptz[], $6::integer[],
                $7::integer[], $8::interval[], $9::text[], $10::text[])
      with ordinality as g (kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                              conditions, place)
    order by place
  ) g
    cross join lateral jsonb_to_record(coalesce(g.conditions, '{}')::jsonb) as c (
      key text, expires_at timestamptz, unique_key text, unique_for text, retry text, after bigint[],
      after_places integer[], if_parent_fails hive.if_parent_fails, silence_timeout interval, needs text,
      breaker text
    )
),
named as (
  insert into hive.unique_key as u (key, task_id)
  select distinct on (unique_key) unique_key, new_id from given where unique_key is not null order by unique_key, place
  on conflict (key) do update
  set (task_id, at) = (
    select case when wanted.counts then u.task_id else excluded.task_id end,
           case when wanted.counts then u.at else excluded.at end
    from (
      select case
        when not exists (select from hive.task t where t.id = u.task_id)
          then u.at > statement_timestamp() - interval '1 hour'
        when g.unique_for = 'waiting'
          then exists (select from hive.task t where t.id = u.task_id and t.state in ('blocked', 'scheduled', 'queued'))
        when g.unique_for = 'unfinished'
          then exists (select from hive.task t where t.id = u.task_id and t.finished_at is null)
        else u.at > statement_timestamp() - g.unique_for::interval end as counts
      from given g
      where g.unique_key = excluded.key
      order by g.place
      limit 1
    ) wanted
  )
  returning u.key, u.task_id
),
chosen as materialized (
  select g.*, coalesce(n.task_id, g.new_id) as id, coalesce(n.task_id = g.new_id, true) as is_new
  from given g left join named n on n.key = g.unique_key
),
added as (
  insert into hive.task (id, kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name,
                         key, has_turn, expires_at, unique_key, retry, silence_timeout, is_gated, needs,
                         breaker, state)
  overriding system value
  select id, coalesce(kind, ($1::text[])[1]), payload::jsonb, coalesce(queue, ($3::text[])[1]),
         coalesce(priority, ($4::smallint[])[1]), coalesce(run_at, statement_timestamp()),
         coalesce(max_attempts, ($6::integer[])[1]), coalesce(max_losses, ($7::integer[])[1]), timeout, group_name,
         key, case when key is not null then false end, expires_at, unique_key, retry, silence_timeout,
         case when after is not null or after_places is not null then true end,
         coalesce(needs, ''), breaker,
         (case when run_at > statement_timestamp() then 'scheduled'
               when key is not null or after is not null or after_places is not null then 'blocked'
               else 'queued' end)::hive.task_state
  from chosen
  where is_new
  order by place
  returning id, key, state
),
numbered as materialized (
  select array_agg(id order by place) as ids from chosen
),
edge as (
  insert into hive.dependency (child_id, parent_id, if_parent_fails, is_open)
  select c.id, p.parent_id, coalesce(c.if_parent_fails, 'cancel'), true
  from chosen c
    cross join numbered n
    cross join lateral (
      select unnest(c.after) union select n.ids[place] from unnest(c.after_places) as a (place)
    ) as p (parent_id)
  where c.is_new and (c.after is not null or c.after_places is not null)
),
looked_at as (
  insert into hive.dependency_wake (child_id)
  select id from chosen where is_new and (after is not null or after_places is not null)
),
woken as (
  insert into hive.key_wake (key) select distinct key from added where key is not null and state = 'blocked'
),
told as (
  insert into hive.event (type, task_ids)
  select 'queued', array_agg(id) from added having count(*) > 0
)
select array_agg(id order by place) as ids, array_agg(is_new order by place) as are_new from chosen
