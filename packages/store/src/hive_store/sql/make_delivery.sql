-- Make up a webhook's next delivery, and move its place in the log behind what it holds.
--
-- $1 webhook_id    bigint
-- $2 holder        uuid
-- $3 held_seconds  double precision
-- $4 xid           text              the place in the log behind it
-- $5 event_id      bigint
-- $6 delivery_id   uuid
-- $7 body          text              null if there is nothing to deliver up to that place
-- $8 events        integer
-- $9 note          text              what went wrong, to be shown; null to leave what is there
--
-- returns: one row, or none if the webhook is not held any more
with moved as (
  update hive.webhook w
  set xid = $4::text::xid8,
      event_id = $5::bigint,
      held_until = clock_timestamp() + make_interval(secs => $3::double precision),
      last_error = coalesce($9::text, w.last_error)
  where w.id = $1::bigint and w.holder = $2::uuid and w.paused_at is null
  returning w.id
),
made as (
  insert into hive.webhook_delivery (id, webhook_id, body, events)
  select $6::uuid, id, $7::text, $8::integer from moved where $7::text is not null
)
select id from moved
