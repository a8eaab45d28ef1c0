-- Take webhooks that have something to deliver, for as long as nobody else has them.
--
-- What has not settled in the log is nothing to deliver yet.
--
-- $1 holder        uuid
-- $2 held_seconds  double precision  for how long, without saying so again
-- $3 limit         integer           most webhooks to take
--
-- returns: one row per webhook taken, with the delivery that is pending, if one is
with due as materialized (
  select w.id
  from hive.webhook w
  where w.paused_at is null
    and w.due_at <= statement_timestamp()
    and w.held_until < statement_timestamp()
    and (
      exists (select from hive.webhook_delivery d where d.webhook_id = w.id and d.ended_at is null)
      or exists (
        select from hive.event e
        where (e.xid, e.id) > (w.xid, w.event_id) and e.xid < pg_snapshot_xmin(pg_current_snapshot()))
    )
  order by w.due_at
  limit $3::integer
  for update skip locked
),
held as (
  update hive.webhook w
  set holder = $1::uuid, held_until = clock_timestamp() + make_interval(secs => $2::double precision)
  from due
  where w.id = due.id
  returning w.*
)
select h.id, h.url, s.secret, h.types, h.group_name, h.queue, h.kind, h.xid::text::bigint as xid, h.event_id,
       h.failures, d.id as delivery_id, d.body
from held h
  left join hive.webhook_secret s on s.webhook_id = h.id
  left join hive.webhook_delivery d on d.webhook_id = h.id and d.ended_at is null
