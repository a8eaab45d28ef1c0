-- Add a webhook, which begins with what happens from now on.
--
-- $1 url         text
-- $2 secret      text    null for deliveries without a signature
-- $3 types       text[]  empty for all
-- $4 group_name  text    null for any, like those below
-- $5 queue       text
-- $6 kind        text
--
-- returns: its id
insert into hive.webhook (url, secret, types, group_name, queue, kind, xid, event_id)
values ($1::text, $2::text, $3::text[], $4::text, $5::text, $6::text,
        (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text::xid8, 9223372036854775807)
returning id
