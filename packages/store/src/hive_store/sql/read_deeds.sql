-- What people did by hand, newest first.
--
-- $1 target  text     only what was done to this; null for all
-- $2 limit   integer
--
-- returns: one row per deed
select at, actor, host, what, target, details::text as details
from hive.audit
where $1::text is null or target = $1::text
order by at desc
limit $2::integer
