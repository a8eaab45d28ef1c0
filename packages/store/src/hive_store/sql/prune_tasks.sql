-- Delete finished tasks that have been kept long enough, with their attempts and output: one batch.
--
-- Tasks are looked at in the order of their ids, from a place on. Ids rise with time, so no index on
-- `finished_at` is needed, which would cost every finish (docs/decisions/0007): a walk is over at the
-- first page on which no task was submitted long enough ago. A task that another transaction holds is
-- left for the next walk, and so is one that was revived in the meantime. One that an unfinished task comes after
-- stays for as long as that may want its result; it is asked once more when the tasks are locked, since a task
-- may have been submitted to come after one of them.
--
-- The first rule that fits a task says how long it is kept; one that no rule fits is kept for ever.
--
-- $1 after_id      bigint              where to go on: the last id of the batch before; 0 to begin
-- $2 look_limit    integer             most tasks to look at
-- $3 row_limit     integer             most rows to delete, of all tables together; one task's may be more
-- $4 queues        text[]              of each rule, null for any; so are the kinds and states
-- $5 kinds         text[]
-- $6 states        text[]
-- $7 keep_seconds  double precision[]  of each rule: how long from the task's end; null for ever
-- $8 as_of         timestamptz         the moment that counts; null for now
-- $9 is_dry        boolean             only count
--
-- returns: one row per queue and state of what went, and one without them: where to go on, whether the walk is
--          over, the first task that stays, when it finished, and how long the most overdue of those that went was due
with rule as materialized (
  select queue, kind, state, keep_seconds, place
  from unnest($4::text[], $5::text[], $6::text[], $7::double precision[])
    with ordinality as r (queue, kind, state, keep_seconds, place)
),
cutoff as materialized (
  select coalesce($8::timestamptz, statement_timestamp()) - make_interval(secs => min(keep_seconds)) as shortest
  from rule
),
looked as materialized (
  select id, queue, kind, state::text as state, created_at, finished_at
  from hive.task
  where id > $1::bigint
  order by id
  limit $2::integer
),
due as materialized (
  select l.id, l.queue, l.state, l.finished_at + make_interval(secs => r.keep_seconds) as due_at
  from looked l
    cross join lateral (
      select keep_seconds
      from rule r
      where (r.queue is null or r.queue = l.queue)
        and (r.kind is null or r.kind = l.kind)
        and (r.state is null or r.state = l.state)
      order by place
      limit 1
    ) r
  where l.finished_at <= (select shortest from cutoff)  -- or no rule need be looked at
    and l.finished_at <= coalesce($8::timestamptz, statement_timestamp()) - make_interval(secs => r.keep_seconds)
    -- What keeps a task that something unfinished still needs, one condition each.
    and (
      select d.child_id
      from hive.dependency d cross join lateral (select finished_at from hive.task where id = d.child_id limit 1) c
      where d.parent_id = l.id and c.finished_at is null
      limit 1) is null
),
sized as materialized (
  select due.*,
         1 + (select count(*) from hive.attempt a where a.task_id = due.id)
           + (select count(*) from hive.output o where o.task_id = due.id)
           + (select count(*) from hive.question q where q.task_id = due.id)
           + (select count(*) from hive.spending s where s.task_id = due.id)
           + (select count(*) from hive.dependency d where d.child_id = due.id)
           + (select count(*) from hive.dependency d where d.parent_id = due.id) as rows
  from due
),
taken as materialized (
  select id, queue, state, due_at
  from (select *, sum(rows) over (order by id) as rows_so_far from sized) s
  where rows_so_far <= $3::integer or rows_so_far = rows
),
locked as materialized (
  select id
  from hive.task
  where not $9::boolean and id = any(array(select id from taken))
    and finished_at <= (select shortest from cutoff)
  order by id
  for update skip locked
),
needed as materialized (
  select hive.needed(array(select id from locked)) as ids
),
held as materialized (
  select id from locked where id <> all((select ids from needed)::bigint[])
),
gone as (
  delete from hive.task where id = any(array(select id from held)) returning id
),
gone_attempts as (
  delete from hive.attempt where task_id = any(array(select id from held))
),
gone_output as (
  delete from hive.output where task_id = any(array(select id from held))
),
gone_questions as (
  delete from hive.question where task_id = any(array(select id from held))
),
gone_spending as (
  delete from hive.spending where task_id = any(array(select id from held))
),
gone_edges_of_parents as (
  delete from hive.dependency where parent_id = any(array(select id from held))
),
gone_edges_of_children as (
  delete from hive.dependency where child_id = any(array(select id from held))
),
went as materialized (
  select id, queue, state, due_at from taken where $9::boolean or id in (select id from gone)
),
reached as materialized (
  select is_all_due, case when is_all_due then (select max(id) from looked) else (select max(id) from taken) end as last_id
  from (select (select count(*) from taken) = (select count(*) from due) as is_all_due) t
),
stayed as (
  select id, finished_at
  from looked
  where id <= (select last_id from reached) and id not in (select id from went)
)
select queue, state, count(*) as count, null::bigint as last_id, null::boolean as is_over,
       null::bigint as first_kept_id, null::timestamptz as oldest_finished_at, null::double precision as overdue_seconds
from went
group by queue, state
union all
select null, null, null, last_id,
       is_all_due and (
         (select count(*) from looked) < $2::integer
         or not exists (select from looked where created_at <= (select shortest from cutoff))),
       (select min(id) from stayed),
       (select min(finished_at) from stayed),
       (select extract(epoch from max(coalesce($8::timestamptz, statement_timestamp()) - due_at)) from went)::double precision
from reached
