-- How many tasks were called off before anybody had them, from a cursor of the event log on.
--
-- The events of those that a worker or the reaper ended name an attempt; these name none. The log is
-- read as in `read_events`: in its order, and below every open transaction.
--
-- $1 after_xid  text     transaction id of the last event read
-- $2 after_id   bigint
-- $3 limit      integer  most events to look at
--
-- returns: one row per queue and kind, or one without them; in each, how many events were looked at and the last one's place
with news as materialized (
  select xid, id, type, task_id, attempt
  from hive.event
  where (xid, id) > ($1::text::xid8, $2::bigint)
    and xid < pg_snapshot_xmin(pg_current_snapshot())
  order by event.xid, event.id
  limit $3::integer
),
counted as (
  select t.queue, t.kind, count(*) as count
  from news
    cross join lateral (select queue, kind from hive.task where id = news.task_id limit 1) t
  where news.type = 'cancelled' and news.attempt is null
  group by t.queue, t.kind
),
seen as (
  select count(*) as events from news
)
select counted.queue, counted.kind, counted.count, seen.events, last.xid::text::bigint as xid, last.id
from seen
  left join counted on true
  left join lateral (select xid, id from news offset greatest(seen.events - 1, 0) limit 1) last on true
