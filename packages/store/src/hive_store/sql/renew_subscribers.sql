-- Keep the names of subscribers that their holders still have.
--
-- The name is enough, its time run out or not: while nobody else has taken it, it is nobody else's.
--
-- $1 names         text[]
-- $2 holders       uuid[]            the holder of each, in the same order
-- $3 held_seconds  double precision
--
-- returns: the names that are still held
update hive.subscriber s
set held_until = clock_timestamp() + make_interval(secs => $3::double precision)
from unnest($1::text[], $2::uuid[]) as g (name, holder)
where s.name = g.name and s.holder = g.holder
returning s.name
