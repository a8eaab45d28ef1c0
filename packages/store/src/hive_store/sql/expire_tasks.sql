-- Cancel up to $1 tasks that still wait when they have expired, the longest expired first.
--
-- $1 batch_size  integer
--
-- returns: one row: those that were cancelled, and in how many seconds the next expires (null if none does)
-- moves:   blocked -> cancelled (cancel), scheduled -> cancelled (cancel), queued -> cancelled (cancel)
-- events:  cancelled
with expired as materialized (
  select id
  from hive.task
  where expires_at <= statement_timestamp() and state in ('blocked', 'scheduled', 'queued')
  order by expires_at
  limit $1::integer
  for update skip locked
),
changed as (
  update hive.task t
  set state = 'cancelled', waits_for_limit = null, finished_at = clock_timestamp(), outcome = 'cancelled',
      error = case when t.asked_at is null then 'it had expired before it could start'
              else 'it had expired before it was answered' end
  from expired
  where t.id = expired.id
  returning t.id, t.key, t.has_turn, t.is_gated, t.error
),
freed as (
  insert into hive.key_wake (key) select distinct key from changed where has_turn or (key is not null and is_gated)
),
awaited as (
  insert into hive.dependency_wake (parent_id)
  select unnest(hive.awaited(array(select id from changed)))
),
told as (
  insert into hive.event (type, task_id, reason) select 'cancelled', id, error from changed
)
select (select coalesce(array_agg(id order by id), '{}') from changed) as ids,
       (select extract(epoch from expires_at - statement_timestamp())::double precision
        from hive.task
        where expires_at > statement_timestamp() and expires_at < 'infinity'
          and state in ('blocked', 'scheduled', 'queued')
        order by expires_at
        limit 1) as next_seconds
