-- Which schema the database has, and the oldest schema whose programs may still work with it.
--
-- The second number is read through JSON, because a database that was last migrated before it was
-- kept has no such column. A migration of which it is not known bears no older programs.
--
-- returns: one row
select coalesce(max(m.number), 0) as number,
       coalesce(max(coalesce((to_jsonb(m) ->> 'compatible_from')::integer, m.number)), 0) as compatible_from
from hive.migration m
