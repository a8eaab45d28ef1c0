-- Write how attempts ended, free their leases, and tell of it: the way an attempt ends by its worker.
--
-- Fenced: a task changes only while it names the lease that the caller names, and the lease row is
-- there. (The row, not its expiry: a lease that lapsed but was not reaped is still nobody else's.)
-- Leases are locked by id before any task is touched; the subquery in `ended` forces that order.
-- The open count is taken from the locked row, in this statement, and the lease goes at 0: neither
-- "no task names it any more" (never true within the same snapshot) nor an unlocked count will do.
--
-- What is given back after its start was written may run again, unless max_losses is 0: then it has
-- failed, and this counts as a loss, just as if its worker had died.
--
-- Repeating the statement is harmless: rows that it had changed come back with the state
-- and the attempt of the first reply. The outcome is compared too, because the reaper writes the lease
-- under which it ended a task as well: a late success is no repeat of that loss.
--
-- What succeeded is told in one event for all of one attempt number: an entry for each of a thousand tasks
-- would be a third of what the statement writes.
--
-- A thousand tasks may be of a thousand leases: sets are united and not joined here, so that it is
-- never their square, whatever the planner believed when it made the plan.
--
-- The end of a task that had the turn of its key wakes the key, and that of one that others come after wakes
-- these: what may happen then is for later statements.
--
-- $1 task_ids        bigint[]            each task once
-- $2 lease_ids       uuid[]              the lease of each, in the same order
-- $3 moves           text[]              succeed, fail, retry, release, postpone or cancel; one value alone if all are alike
-- $4 outcomes        text[]              how the attempt ended; one value alone if all are alike
-- $5 results         text[]              JSON, or null
-- $6 errors          text[]              or null; empty if all are
-- $7 backoff_seconds double precision[]  for retry and postpone: how long until it is due again; null for at once; empty if all are
-- $8 run_seconds     double precision[]  how long the attempt ran; null if it never began
-- $9 distinct_leases uuid[]              the leases, each once
-- $10 worker_id      uuid                who reports
--
-- returns: the tasks that ended now or had been ended by the same lease before, in one row for all that are alike,
--          and one row per lease of which something ended now: without tasks, with its queen and how much of it is
--          still open
-- moves:   dispatched -> succeeded (succeed), running -> succeeded (succeed), dispatched -> failed (fail), running -> failed (fail), dispatched -> scheduled (retry), running -> scheduled (retry), dispatched -> queued (release), running -> queued (release), dispatched -> scheduled (postpone), running -> scheduled (postpone), running -> failed (exhaust), dispatched -> cancelled (cancel), running -> cancelled (cancel)
-- events:  succeeded, failed, retried, released, cancelled
with given as materialized (
  select *, move in ('release', 'postpone') as is_given_back
  from (
    select id, lease_id, coalesce(move, ($3::text[])[1]) as move, coalesce(outcome, ($4::text[])[1]) as outcome,
           result, error, backoff_seconds, run_seconds
    from unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::double precision[], $8::double precision[])
      as g (id, lease_id, move, outcome, result, error, backoff_seconds, run_seconds)
  ) g
),
held as materialized (
  select id, open, queen_id
  from hive.lease
  where id = any($9::uuid[])
  order by id
  for update
),
ended as (
  update hive.task t
  set state = (case
        when (g.move = 'retry' or g.is_given_back) and t.cancel_requested_at is not null then 'cancelled'
        when g.is_given_back and t.state = 'running' and t.max_losses = 0 then 'failed'
        when g.move = 'succeed' then 'succeeded'
        when g.move = 'fail' then 'failed'
        when g.move in ('retry', 'postpone') then 'scheduled'
        when g.move = 'release' then 'queued'
        else 'cancelled' end)::hive.task_state,
      lease_id = null,
      ended_lease = g.lease_id,
      finished_at = case
        when g.move in ('succeed', 'fail', 'cancel') or t.cancel_requested_at is not null
          or (g.is_given_back and t.state = 'running' and t.max_losses = 0) then clock_timestamp() end,
      started_at = coalesce(t.started_at, clock_timestamp() - make_interval(secs => g.run_seconds)),
      run_at = case
        when g.move in ('retry', 'postpone') then clock_timestamp() + make_interval(secs => coalesce(g.backoff_seconds, 0))
        else t.run_at end,
      failures = t.failures + (g.move in ('retry', 'fail'))::integer,
      given_back = t.given_back
        + (g.is_given_back and t.cancel_requested_at is null and not (t.state = 'running' and t.max_losses = 0)
          )::integer,
      losses = t.losses
        + (g.is_given_back and t.cancel_requested_at is null and t.state = 'running' and t.max_losses = 0
          )::integer,
      worker_id = $10::uuid,
      outcome = (case
        when g.is_given_back and t.cancel_requested_at is not null then 'cancelled'
        when g.is_given_back and t.state = 'running' and t.max_losses = 0 then 'lost'
        else g.outcome end)::hive.outcome,
      result = g.result::jsonb,
      error = g.error || case when g.is_given_back and t.state = 'running' and t.max_losses = 0 then ' (it may not run again)' else '' end
  from given g
  where g.lease_id = any(array(select id from held)) and t.id = g.id and t.lease_id = g.lease_id
  returning t.id, t.ended_lease as lease_id, t.state, t.claims,
            g.is_given_back and t.state in ('queued', 'scheduled') as is_given_back,
            t.claims - t.given_back + (g.is_given_back and t.state in ('queued', 'scheduled'))::integer as attempt,
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
  select id, claims, attempt, outcome, error, worker_id, lease_id, started_at,
         case when state = 'scheduled' then run_at end
  from ended
  where state in ('scheduled', 'queued')
),
freed as (
  insert into hive.key_wake (key)
  select distinct key from ended where key is not null and state in ('succeeded', 'failed', 'cancelled')
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from ended where state in ('succeeded', 'failed', 'cancelled'))))
),
told as (
  insert into hive.event (type, task_id, task_ids, attempt, reason)
  select type::hive.event_type,
         case when count(*) = 1 then min(id) end, case when count(*) > 1 then array_agg(id order by id) end,
         attempt, reason
  from (
    select case when is_given_back then 'released' when state = 'scheduled' then 'retried' else state::text end as type,
           id, attempt, error as reason, case when state <> 'succeeded' then id end as alone
    from ended
  ) e
  group by type, attempt, reason, alone
)
select array_agg(id) as task_ids, state::text as state, outcome::text as outcome, attempt, lease_id, true as is_new,
       null::uuid as queen_id, null::integer as open
from ended
group by state, outcome, attempt, lease_id
union all
select null, null, null, null, lease_id, null, queen_id, open from counted
union all
select array[t.id],
       case
         when (g.move = 'retry' or g.is_given_back) and t.state <> 'cancelled'
           then case g.move when 'release' then 'queued' else 'scheduled' end
         else t.state::text end,
       t.outcome::text,
       coalesce(
         (select a.attempt from hive.attempt a where a.task_id = t.id and a.lease_id = g.lease_id),
         t.claims - t.given_back),
       g.lease_id, false, null, null
from given g join hive.task t on t.id = g.id and t.ended_lease = g.lease_id
where (select count(*) from ended) < cardinality($1::bigint[])  -- or there is nothing to look for
  and (t.outcome = g.outcome::hive.outcome or (g.is_given_back and t.outcome = 'cancelled'))
  and (g.id, g.lease_id) not in (select id, lease_id from ended)
