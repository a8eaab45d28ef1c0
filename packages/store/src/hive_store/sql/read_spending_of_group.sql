-- What have the tasks of a group spent?
--
-- $1 group_name  text
--
-- returns: one row; null if nothing was told
select sum(microdollars)::bigint as microdollars, sum(tokens)::bigint as tokens, sum(turns)::bigint as turns,
       coalesce(sum(unpriced), 0)::integer as unpriced
from hive.spent
where group_name = $1::text
