-- Claim tasks of a paused queue again.
--
-- $1 queue   text
-- $2 actor   text  who; null for the database's user
-- $3 host    text  where; null for the connection's address
--
-- returns: whether it was paused
select hive.resume_queue($1::text, $2::text, $3::text)
