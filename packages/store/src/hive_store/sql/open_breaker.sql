-- Begin no task of a breaker for a while; one that is open is open for so long from now on.
--
-- $1 name     text
-- $2 length   interval  for how long; null until it is closed
-- $3 reason   text      why, for people; null for none
-- $4 actor    text      who; null for the database's user
-- $5 host     text      where; null for the connection's address
--
-- returns: nothing
select hive.open_breaker($1::text, $2::interval, $3::text, $4::text, $5::text)
