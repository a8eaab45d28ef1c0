-- Least privilege for a Hive that others share: five roles, and what each may do.
--
--   <prefix>_submitter  adds tasks and schedules, calls them off, queues ended ones again, and reads
--   <prefix>_worker     accepts, starts and ends what is leased, and reads
--   <prefix>_queen      leases, takes back, sweeps, reaps, prunes, runs schedules, tends the log, and reads
--   <prefix>_operator   pauses and resumes queues, sets limits, opens and closes breakers, moves waiting tasks, and reads
--   <prefix>_viewer     reads
--
-- Send it with psql, as the owner of schema `hive` and with the right to create roles:
--
--   hive roles > roles.sql
--   psql "$HIVE_DATABASE_URL" -v prefix=hive -f roles.sql
--
-- It may be sent any number of times, and must be sent again after `hive migrate` and after
-- `hive restore`. None of the roles logs in; make a user for each process and put it into one:
--
--   create role payments_queen login in role hive_queen;
--   \password payments_queen
--
-- A worker that claims for itself (`hive worker --sync`) is in hive_worker and in hive_queen; one whose
-- functions have tasks follow their success, in hive_worker and in hive_submitter.
-- Nobody but the owner changes the schema, makes backups or restores them. A role belongs to the
-- whole server: give each Hive on a server a prefix of its own.

\set ON_ERROR_STOP on
\if :{?prefix}
\else
  \set prefix hive
\endif
\set submitter :prefix _submitter
\set worker :prefix _worker
\set queen :prefix _queen
\set operator :prefix _operator
\set viewer :prefix _viewer

begin;
set local client_min_messages = warning;

select format('create role %I nologin', name)
from unnest(array[:'submitter', :'worker', :'queen', :'operator', :'viewer']) as r (name)
where not exists (select from pg_roles where rolname = name)
\gexec

-- Only they come into this database, and what they were once granted here and no longer need goes.
select format('revoke all on database %I from public, %I, %I, %I, %I, %I',
              current_database(), :'submitter', :'worker', :'queen', :'operator', :'viewer')
\gexec
select format('grant connect on database %I to %I, %I, %I, %I, %I',
              current_database(), :'submitter', :'worker', :'queen', :'operator', :'viewer')
\gexec
revoke all on schema hive from public, :"submitter", :"worker", :"queen", :"operator", :"viewer";
revoke all on all tables in schema hive from public, :"submitter", :"worker", :"queen", :"operator", :"viewer";
revoke all on all functions in schema hive from public, :"submitter", :"worker", :"queen", :"operator", :"viewer";
grant usage on schema hive to :"submitter", :"worker", :"queen", :"operator", :"viewer";

-- Everybody reads everything, also tables that a later schema adds. Payloads and results that not
-- everybody may read are to be encrypted.
grant select on all tables in schema hive to :"submitter", :"worker", :"queen", :"operator", :"viewer";
alter default privileges in schema hive
  grant select on tables to :"submitter", :"worker", :"queen", :"operator", :"viewer";
grant execute on function hive.spent_budget, hive.in_usd, hive.refilled, hive.slots_in, hive.labels_in to :"submitter", :"worker", :"queen", :"operator", :"viewer";

-- What signs deliveries is for who delivers.
revoke all on hive.webhook_secret from :"submitter", :"worker", :"operator", :"viewer";

-- Submitters: what a new task says of itself, and no more; so it is born queued or scheduled, with
-- no lease and no result. Of a task that is there, what calling it off and retrying it change.
grant insert (id, kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name, state,
              key, has_turn, unique_key, expires_at, is_gated, retry, silence_timeout, needs, breaker)
  on hive.task to :"submitter";
grant update (state, run_at, max_attempts, losses, outcome, result, error, finished_at, cancel_requested_at,
              expires_at, has_turn, is_gated, waits_for_limit, parked_at, parked_reason, parked_run_at, asked_at)
  on hive.task to :"submitter";
-- The ids of tasks with conditions, and of those of schedules, are taken before they are added.
grant usage on sequence hive.task_id_seq to :"submitter", :"queen";
grant insert on hive.event, hive.attempt, hive.key_wake, hive.audit to :"submitter";
-- Tasks are parked and answered through functions that do nothing else and write down who did it: as the
-- owner, since a task that was tried before has a result, and no submitter writes a row that has one.
alter function hive.park security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.unpark security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.answer security definer set search_path = pg_catalog, hive, pg_temp;
grant execute on function hive.park(bigint[], timestamptz, text, text, text), hive.unpark(bigint[], text, text),
                          hive.answer(bigint, text, text, text),
                          hive.some_tasks(bigint[]), hive.cancel(bigint[], text, text, text), hive.call_off(bigint[], text)
  to :"submitter";
grant insert, update on hive.unique_key, hive.dependency to :"submitter";
grant insert on hive.dependency_wake to :"submitter";
-- A schedule is a submit that goes on. Its ticks are the queens' to write, but for one asked for by hand.
grant insert, update, delete on hive.schedule to :"submitter";
grant insert, update on hive.tick to :"submitter";
-- How far each has read the event log, under its name.
grant insert, update on hive.subscriber to :"submitter";
-- What becomes of a workspace that a task has left; where it is, is for workers to say.
grant update (state, reason, changed_at) on hive.workspace to :"submitter";

-- Workers: how the attempt goes. Never what the task is: kind, queue, payload, options.
grant update (state, lease_id, ended_lease, worker_id, started_at, finished_at, run_at, failures,
              given_back, losses, outcome, result, error, parked_at, parked_reason, parked_run_at, asked_at)
  on hive.task to :"worker";
grant update (worker_id, accepted_at, expires_at, open), delete on hive.lease to :"worker";
grant insert on hive.attempt, hive.event, hive.output, hive.question, hive.key_wake, hive.dependency_wake
  to :"worker";
grant insert, update on hive.worker to :"worker";
-- What it has spent, and whether that is too much.
grant insert, update on hive.spending, hive.spent to :"worker";
-- A breaker is opened through a function that does nothing else, for a task that is held.
alter function hive.trip_breaker security definer set search_path = pg_catalog, hive, pg_temp;
grant execute on function hive.trip_breaker, hive.is_shut, hive.breaker_lock, hive.write_spending to :"worker";
grant insert, update, delete on hive.workspace to :"worker";

-- Queens: who has a task or its turn, what a lapse makes of it, what has waited or been kept for too
-- long, and the tasks of schedules. Never a result.
grant update (state, run_at, claims, lease_id, ended_lease, worker_id, started_at, finished_at, goes_alone,
              given_back, losses, outcome, error, has_turn, is_gated, waits_for_limit,
              priority, submitted_priority, raised_at, parked_at, parked_reason, parked_run_at)
  on hive.task to :"queen";
grant insert (id, kind, payload, queue, priority, run_at, max_attempts, max_losses, timeout, group_name, state,
              key, needs, breaker, retry, silence_timeout, expires_at)
  on hive.task to :"queen";
grant delete on hive.task, hive.attempt, hive.output, hive.question, hive.spending to :"queen";
-- The sums of old days become one.
grant insert, update, delete on hive.spent to :"queen";
grant insert, update, delete on hive.lease to :"queen";
grant insert on hive.attempt, hive.event, hive.audit to :"queen";
grant insert, update, delete on hive.key_wake, hive.dependency_wake, hive.gate_wake to :"queen";
grant update, delete on hive.dependency to :"queen";
grant update, delete on hive.unique_key to :"queen";
grant update (next_at, fault, waiting, open_task_ids, last_tick_at, last_task_id) on hive.schedule to :"queen";
grant insert, update, delete on hive.tick to :"queen";
grant insert, update, delete on hive.queen to :"queen";
-- Where events are delivered is for the owner to say: a webhook has queens send requests.
grant update (xid, event_id, due_at, failures, failing_since, last_error, paused_at, pause_reason, holder, held_until)
  on hive.webhook to :"queen";
grant insert, update, delete on hive.webhook_delivery to :"queen";
grant insert, update on hive.term to :"queen";
grant delete on hive.worker to :"queen";
grant update (tokens, refilled_at, probe_id) on hive.usage_limit to :"queen";
alter function hive.close_proven_breakers security definer set search_path = pg_catalog, hive, pg_temp;
grant execute on function hive.lock_limits, hive.admit, hive.close_proven_breakers to :"queen";

-- Operators: what stands still, how much may run, and where a task waits. They do it through functions
-- that do nothing else and write down who did it; they touch no table but to free what waits for a limit.
alter function hive.pause_queue security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.resume_queue security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.set_limit security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.remove_limit security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.move_tasks security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.set_budget security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.remove_budget security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.free_from_budgets security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.open_breaker security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.close_breaker security definer set search_path = pg_catalog, hive, pg_temp;
grant execute on function hive.pause_queue, hive.resume_queue, hive.set_limit, hive.remove_limit, hive.move_tasks,
                          hive.open_breaker, hive.close_breaker, hive.set_budget, hive.remove_budget
  to :"operator";
-- A queen lets go what a new day, or what nobody has noticed, has made room for.
grant execute on function hive.free_from_budgets to :"queen";
grant update (state, waits_for_limit) on hive.task to :"operator";
grant insert on hive.event to :"operator";

-- The days of the event log are tables, which only the owner makes and drops. Queens have it done
-- through two functions that do nothing else, run as the owner, and find no name but in these schemas.
alter function hive.create_event_days(integer) security definer set search_path = pg_catalog, hive, pg_temp;
alter function hive.drop_event_days(integer) security definer set search_path = pg_catalog, hive, pg_temp;
grant execute on function hive.create_event_days(integer), hive.drop_event_days(integer) to :"queen";

-- Who ends a task asks who waits for it, and who prunes who may still want its result. Who adds one that
-- comes after others has these kept from pruning, also such as a submitter may not write: as the owner.
alter function hive.hold_parents(bigint[]) security definer set search_path = pg_catalog, hive, pg_temp;
grant execute on function hive.awaited(bigint[]) to :"submitter", :"worker", :"queen";
grant execute on function hive.needed(bigint[]) to :"queen";
grant execute on function hive.hold_parents(bigint[]), hive.circle(bigint, bigint) to :"submitter";

-- Which rows. The owner is bound by none of this, and a policy that is `true` costs nothing.
alter table hive.task enable row level security;
drop policy if exists everybody_reads_every_task on hive.task;
create policy everybody_reads_every_task on hive.task for select
  to :"submitter", :"worker", :"queen", :"operator", :"viewer" using (true);
drop policy if exists submitters_add_tasks on hive.task;
create policy submitters_add_tasks on hive.task for insert to :"submitter" with check (true);
-- No submitter makes a task look as if it had run: afterwards it is called off, or waits.
drop policy if exists submitters_call_off_and_retry on hive.task;
create policy submitters_call_off_and_retry on hive.task for update to :"submitter"
  using (state <> 'succeeded')
  with check (case
    when lease_id is not null then cancel_requested_at is not null
    when finished_at is not null then state = 'cancelled' and outcome = 'cancelled'
    else result is null end);
-- A worker ends what some queen has leased, and nothing that waits or has ended.
drop policy if exists workers_change_leased_tasks on hive.task;
create policy workers_change_leased_tasks on hive.task for update to :"worker"
  using (lease_id is not null) with check (true);
drop policy if exists queens_change_tasks on hive.task;
create policy queens_change_tasks on hive.task for update to :"queen" using (true) with check (true);
drop policy if exists queens_submit_for_schedules on hive.task;
create policy queens_submit_for_schedules on hive.task for insert to :"queen" with check (true);
-- Only what has ended leaves.
drop policy if exists queens_prune_ended_tasks on hive.task;
create policy queens_prune_ended_tasks on hive.task for delete to :"queen" using (finished_at is not null);
drop policy if exists operators_free_what_waits_for_a_limit on hive.task;
create policy operators_free_what_waits_for_a_limit on hive.task for update to :"operator"
  using (state = 'blocked' and waits_for_limit is not null) with check (state = 'queued' and waits_for_limit is null);

commit;
