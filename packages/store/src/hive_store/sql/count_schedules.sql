-- How many schedules there are, and how they do.
--
-- returns: one row; `next_seconds` is null if no tick is known to come
select count(*)::integer as count,
       count(*) filter (where paused_at is not null)::integer as paused,
       count(*) filter (where fault is not null)::integer as faulty,
       extract(epoch from min(next_at) filter (where paused_at is null and next_at > '-infinity' and next_at < 'infinity')
                          - statement_timestamp())::double precision as next_seconds
from hive.schedule
