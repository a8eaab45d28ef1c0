-- Forget what became of ticks, a batch at a time; what waits is kept while its schedule is there.
--
-- $1 keep_days   integer
-- $2 batch_size  integer
--
-- returns: how many were forgotten
with old as materialized (
  select k.schedule_id, k.tick_at
  from hive.tick k
  where k.decided_at < statement_timestamp() - make_interval(days => $1::integer)
    and (k.outcome <> 'waiting' or not exists (select from hive.schedule s where s.id = k.schedule_id))
  order by k.decided_at
  limit $2::integer
),
gone as (
  delete from hive.tick k using old o where k.schedule_id = o.schedule_id and k.tick_at = o.tick_at
  returning 1
)
select count(*)::integer as count from gone
