-- Queue up to $4 tasks of a group that are held back, in the order in which they were submitted.
--
-- Held back is what is scheduled for the last moment that there is. A task that another transaction
-- holds is stepped over; the caller begins anew once it has come to the end.
--
-- $1 group_name  text
-- $2 held_until  timestamptz  that moment
-- $3 after_id    bigint       only tasks after this one; 0 to begin
-- $4 limit       integer
--
-- returns: the tasks that are released now
-- moves:   scheduled -> queued (fall_due), scheduled -> blocked (line_up)
with held as materialized (
  select id
  from hive.task
  where group_name = $1::text and id > $3::bigint and state = 'scheduled' and run_at = $2::timestamptz
    and asked_at is null
  order by id
  limit $4::integer
  for update skip locked
),
changed as (
  update hive.task t
  set state = (case when t.has_turn is false or t.is_gated then 'blocked' else 'queued' end)::hive.task_state,
      run_at = statement_timestamp()
  from held
  where t.id = held.id
  returning t.id, t.key, t.state
),
woken as (
  insert into hive.key_wake (key) select distinct key from changed where key is not null and state = 'blocked'
)
select id, pg_notify('hive_queued', '') from changed order by id
