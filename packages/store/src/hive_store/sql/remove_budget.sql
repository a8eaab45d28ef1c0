-- Lift a budget; what it had set aside goes on.
--
-- $1 name   text
-- $2 actor  text  who; null for the database's user
-- $3 host   text  where; null for the connection's address
--
-- returns: how many tasks go on; null if there is no such budget
-- moves:   scheduled -> queued (fall_due), scheduled -> blocked (line_up)
-- events:  unparked
select hive.remove_budget($1::text, $2::text, $3::text)
