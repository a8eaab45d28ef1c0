-- End attempts whose tasks ask a person something: they wait for the answer, and the attempts do not count.
--
-- As `park_attempts`, which see. What was asked before is not asked again by a repeat: its lease is gone.
--
-- $1 task_ids        bigint[]            each task once
-- $2 lease_ids       uuid[]              the lease of each, in the same order
-- $3 questions       text[]
-- $4 options         text[]              what may be answered to each, as a JSON list; empty for anything
-- $5 run_seconds     double precision[]  how long the attempt ran
-- $6 distinct_leases uuid[]              the leases, each once
-- $7 worker_id       uuid                who reports
--
-- returns: as `finish_tasks`
-- moves:   dispatched -> blocked (ask), running -> blocked (ask), dispatched -> cancelled (cancel), running -> cancelled (cancel)
-- events:  asked, cancelled
with given as materialized (
  select *
  from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::double precision[])
    as g (id, lease_id, question, options, run_seconds)
),
held as materialized (
  select id, open, queen_id
  from hive.lease
  where id = any($6::uuid[])
  order by id
  for update
),
ended as (
  update hive.task t
  set state = (case when t.cancel_requested_at is null then 'blocked' else 'cancelled' end)::hive.task_state,
      lease_id = null,
      ended_lease = g.lease_id,
      finished_at = case when t.cancel_requested_at is not null then clock_timestamp() end,
      started_at = coalesce(t.started_at, clock_timestamp() - make_interval(secs => g.run_seconds)),
      asked_at = case when t.cancel_requested_at is null then clock_timestamp() end,
      given_back = t.given_back + (t.cancel_requested_at is null)::integer,
      worker_id = $7::uuid,
      outcome = (case when t.cancel_requested_at is null then 'released' else 'cancelled' end)::hive.outcome,
      error = g.question
  from given g
  where g.lease_id = any(array(select id from held)) and t.id = g.id and t.lease_id = g.lease_id
  returning t.id, t.ended_lease as lease_id, t.state, t.claims,
            t.claims - t.given_back + (t.state = 'blocked')::integer as attempt,
            t.outcome, t.error, t.worker_id, t.started_at, t.key, t.asked_at, g.options
),
asked as (
  insert into hive.question (task_id, number, question, options, asked_at)
  select e.id,
         1 + coalesce((select q.number from hive.question q where q.task_id = e.id order by q.number desc limit 1), 0),
         e.error, array(select jsonb_array_elements_text(e.options::jsonb)), e.asked_at
  from ended e
  where e.state = 'blocked'
),
counted as materialized (
  select lease_id, (array_agg(queen_id) filter (where queen_id is not null))[1] as queen_id, sum(open)::integer as open
  from (
    select id as lease_id, queen_id, open from held
    union all
    select lease_id, null, -1 from ended
  ) h
  group by lease_id
  having min(open) = -1
),
released as (
  delete from hive.lease l using counted c where l.id = c.lease_id and c.open = 0
),
shrunk as (
  update hive.lease l set open = c.open from counted c where l.id = c.lease_id and c.open > 0
),
kept as (
  insert into hive.attempt (task_id, claim, attempt, outcome, error, worker_id, lease_id, started_at)
  select id, claims, attempt, outcome, error, worker_id, lease_id, started_at
  from ended
  where state = 'blocked'
),
freed as (
  insert into hive.key_wake (key) select distinct key from ended where key is not null and state = 'cancelled'
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from ended where state = 'cancelled')))
),
told as (
  insert into hive.event (type, task_id, attempt, reason)
  select (case state when 'blocked' then 'asked' else 'cancelled' end)::hive.event_type, id, attempt, error
  from ended
)
select array_agg(id) as task_ids, state::text as state, outcome::text as outcome, attempt, lease_id, true as is_new,
       null::uuid as queen_id, null::integer as open
from ended
group by state, outcome, attempt, lease_id
union all
select null, null, null, null, lease_id, null, queen_id, open from counted
union all
select array[t.id], case when t.outcome = 'cancelled' then 'cancelled' else 'blocked' end, t.outcome::text,
       coalesce(a.attempt, t.claims - t.given_back), g.lease_id, false, null, null
from given g
  join hive.task t on t.id = g.id and t.ended_lease = g.lease_id
  left join hive.attempt a on a.task_id = t.id and a.lease_id = g.lease_id
where (select count(*) from ended) < cardinality($1::bigint[])  -- or there is nothing to look for
  and (t.outcome = 'cancelled' or (a.outcome = 'released' and a.error = g.question))
  and (g.id, g.lease_id) not in (select id, lease_id from ended)
