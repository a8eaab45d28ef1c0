-- Note how far a subscriber has handled the log. Only its holder may.
--
-- $1 name    text
-- $2 holder  uuid
-- $3 xid     text    transaction id of the last event handled
-- $4 id      bigint
--
-- returns: one row, or none if another has taken the name
update hive.subscriber
set xid = $3::text::xid8, id = $4::bigint
where name = $1::text and holder = $2::uuid
returning name
