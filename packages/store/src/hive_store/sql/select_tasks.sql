-- Find tasks by what they are, newest first, a page at a time.
--
-- $1 states          text[]       null for any
-- $2 queue           text         null for any; so are the others
-- $3 kind            text
-- $4 group_name      text
-- $5 created_from    timestamptz  this moment or later
-- $6 created_before  timestamptz
-- $7 before_id       bigint       only tasks older than this one; null to begin
-- $8 limit           integer
-- $9 key             text
--
-- The key is asked for in a way that the planner has no estimate of: an equality more made it believe in one row
-- at most, and read the whole table in parallel for it.
--
-- returns: the ids, newest first
select id
from hive.task
where ($1::text[] is null or state = any($1::text[]::hive.task_state[]))
  and ($2::text is null or queue = $2::text)
  and ($3::text is null or kind = $3::text)
  and ($4::text is null or group_name = $4::text)
  and ($5::timestamptz is null or created_at >= $5::timestamptz)
  and ($6::timestamptz is null or created_at < $6::timestamptz)
  and ($7::bigint is null or id < $7::bigint)
  and case when $9::text is null then true else key = $9::text end
order by id desc
limit $8::integer
