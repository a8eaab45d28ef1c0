-- Say what becomes of a workspace, if it is still as it was seen.
--
-- $1 id           bigint
-- $2 from_states  text[]
-- $3 state        text
-- $4 reason       text
--
-- returns: the workspace, or nothing if it is in none of these states
update hive.workspace
set reason = $4::text, state = $3::text, changed_at = clock_timestamp()
where id = $1::bigint and state = any($2::text[])
returning id
