-- Who reads under a subscriber's name, and for how long that is sure.
--
-- $1 name  text
--
-- returns: one row, or none if nobody does
select host, pid, extract(epoch from held_until - statement_timestamp())::double precision as seconds
from hive.subscriber
where name = $1::text and held_until >= statement_timestamp()
