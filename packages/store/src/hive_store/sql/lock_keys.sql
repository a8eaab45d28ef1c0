-- Let one transaction after another look whether keys are busy, and submit: the lock is kept to its end.
--
-- $1 keys  text[]
--
-- returns: one row per key
select pg_advisory_xact_lock(hashtextextended(key, 4919))
from (select distinct unnest($1::text[]) as key order by 1) k
