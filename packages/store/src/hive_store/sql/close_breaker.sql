-- Close a breaker. Its waiting tasks are let go by `free_held_up_tasks`.
--
-- $1 name   text
-- $2 actor  text  who; null for the database's user
-- $3 host   text  where; null for the connection's address
--
-- returns: whether it was open
select hive.close_breaker($1::text, $2::text, $3::text)
