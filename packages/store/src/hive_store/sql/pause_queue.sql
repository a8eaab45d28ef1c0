-- Claim nothing of a queue from now on.
--
-- $1 queue   text
-- $2 reason  text  null for none
-- $3 actor   text  who; null for the database's user
-- $4 host    text  where; null for the connection's address
--
-- returns: whether it was not paused before
select hive.pause_queue($1::text, $2::text, $3::text, $4::text)
