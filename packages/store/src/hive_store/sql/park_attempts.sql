-- End attempts whose tasks ask to be set aside: they are parked, and the attempts do not count.
--
-- As `finish_tasks`, which the others take because it costs them less; see there how it is fenced, and
-- why it may be repeated; a lapse is told from a repeat by its reason. A task that may not run again once it has started (max_losses 0) may all the
-- same if it asks for it.
--
-- $1 task_ids        bigint[]            each task once
-- $2 lease_ids       uuid[]              the lease of each, in the same order
-- $3 reasons         text[]
-- $4 seconds         double precision[]  how long until it is due again; null if a moment is said, or no end
-- $5 untils          timestamptz[]       when it is due again; null if seconds are said, or no end
-- $6 run_seconds     double precision[]  how long the attempt ran
-- $7 distinct_leases uuid[]              the leases, each once
-- $8 worker_id       uuid                who reports
--
-- returns: as `finish_tasks`
-- moves:   dispatched -> scheduled (park), running -> scheduled (park), dispatched -> cancelled (cancel), running -> cancelled (cancel)
-- events:  parked, cancelled
with given as materialized (
  select *
  from unnest($1::bigint[], $2::uuid[], $3::text[], $4::double precision[], $5::timestamptz[],
              $6::double precision[])
    as g (id, lease_id, reason, seconds, until, run_seconds)
),
held as materialized (
  select id, open, queen_id
  from hive.lease
  where id = any($7::uuid[])
  order by id
  for update
),
ended as (
  update hive.task t
  set state = (case when t.cancel_requested_at is null then 'scheduled' else 'cancelled' end)::hive.task_state,
      lease_id = null,
      ended_lease = g.lease_id,
      finished_at = case when t.cancel_requested_at is not null then clock_timestamp() end,
      started_at = coalesce(t.started_at, clock_timestamp() - make_interval(secs => g.run_seconds)),
      run_at = case
        when t.cancel_requested_at is not null then t.run_at
        else coalesce(g.until, clock_timestamp() + make_interval(secs => g.seconds), 'infinity') end,
      parked_at = case when t.cancel_requested_at is null then clock_timestamp() end,
      parked_reason = case when t.cancel_requested_at is null then g.reason end,
      parked_run_at = null,
      given_back = t.given_back + (t.cancel_requested_at is null)::integer,
      worker_id = $8::uuid,
      outcome = (case when t.cancel_requested_at is null then 'released' else 'cancelled' end)::hive.outcome,
      error = g.reason
  from given g
  where g.lease_id = any(array(select id from held)) and t.id = g.id and t.lease_id = g.lease_id
  returning t.id, t.ended_lease as lease_id, t.state, t.claims,
            t.claims - t.given_back + (t.state = 'scheduled')::integer as attempt,
            t.outcome, t.error, t.worker_id, t.started_at, t.run_at, t.key
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
  insert into hive.attempt (task_id, claim, attempt, outcome, error, worker_id, lease_id, started_at, again_at)
  select id, claims, attempt, outcome, error, worker_id, lease_id, started_at, nullif(run_at, 'infinity')
  from ended
  where state = 'scheduled'
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
  select (case state when 'scheduled' then 'parked' else 'cancelled' end)::hive.event_type, id, attempt, error
  from ended
)
select array_agg(id) as task_ids, state::text as state, outcome::text as outcome, attempt, lease_id, true as is_new,
       null::uuid as queen_id, null::integer as open
from ended
group by state, outcome, attempt, lease_id
union all
select null, null, null, null, lease_id, null, queen_id, open from counted
union all
select array[t.id], case when t.outcome = 'cancelled' then 'cancelled' else 'scheduled' end, t.outcome::text,
       coalesce(a.attempt, t.claims - t.given_back), g.lease_id, false, null, null
from given g
  join hive.task t on t.id = g.id and t.ended_lease = g.lease_id
  left join hive.attempt a on a.task_id = t.id and a.lease_id = g.lease_id
where (select count(*) from ended) < cardinality($1::bigint[])  -- or there is nothing to look for
  and (t.outcome = 'cancelled' or (a.outcome = 'released' and a.error = g.reason))
  and (g.id, g.lease_id) not in (select id, lease_id from ended)
