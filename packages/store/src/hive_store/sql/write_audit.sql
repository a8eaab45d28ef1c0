-- Write down that somebody did something that others will want to know of.
--
-- $1 actor    text  who; null for the database's user
-- $2 host     text  where; null for the connection's address
-- $3 what     text
-- $4 target   text  to what
-- $5 details  text  a JSON object
--
-- returns: nothing
select hive.write_audit($1::text, $2::text, $3::text, $4::text, $5::text::jsonb)
