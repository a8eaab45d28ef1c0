-- Add a webhook, which begins with what happens from now on. Write down who did.
--
-- $1 url         text
-- $2 secret      text    null for deliveries without a signature
-- $3 types       text[]  empty for all
-- $4 group_name  text    null for any, like those below
-- $5 queue       text
-- $6 kind        text
-- $7 actor       text
-- $8 host        text
--
-- returns: its id
with added as (
  insert into hive.webhook (url, is_signed, types, group_name, queue, kind, xid, event_id)
  values ($1::text, $2::text is not null, $3::text[], $4::text, $5::text, $6::text,
          (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8, 9223372036854775807)
  returning id
),
kept as (
  insert into hive.webhook_secret (webhook_id, secret)
  select id, $2::text from added where $2::text is not null
),
noted as (
  insert into hive.audit (actor, host, what, target)
  select $7::text, $8::text, 'webhook added', id::text from added
)
select id from added
