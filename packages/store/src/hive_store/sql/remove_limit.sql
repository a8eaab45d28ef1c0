-- Lift a limit. Its waiting tasks are let go by `free_held_up_tasks`.
--
-- $1 scope   text
-- $2 target  text
-- $3 actor   text  who; null for the database's user
-- $4 host    text  where; null for the connection's address
--
-- returns: whether there was one
select hive.remove_limit($1::text, $2::text, $3::text, $4::text)
