-- How many tasks an export will hold, and which ids they have.
--
-- $1 states          text[]       null for any
-- $2 queue           text         null for any; so are the others
-- $3 kind            text
-- $4 group_name      text
-- $5 created_from    timestamptz  this moment or later
-- $6 created_before  timestamptz
-- $7 ids             bigint[]
-- $8 key             text
--
-- returns: one row; without ids if there is no such task
select count(*) as tasks, min(id) as first_id, max(id) as last_id, clock_timestamp() as made_at
from hive.task
where ($1::text[] is null or state = any($1::text[]::hive.task_state[]))
  and ($2::text is null or queue = $2::text)
  and ($3::text is null or kind = $3::text)
  and ($4::text is null or group_name = $4::text)
  and ($5::timestamptz is null or created_at >= $5::timestamptz)
  and ($6::timestamptz is null or created_at < $6::timestamptz)
  and ($7::bigint[] is null or id = any($7::bigint[]))
  and ($8::text is null or key = $8::text)
