-- Read tasks as JSON, by their ids.
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
-- returns: one row per task, oldest first
select id as task_id, row_to_json(t)::text as row
from hive.task t
where ($1::text[] is null or state = any($1::text[]::hive.task_state[]))
  and ($2::text is null or queue = $2::text)
  and ($3::text is null or kind = $3::text)
  and ($4::text is null or group_name = $4::text)
  and ($5::timestamptz is null or created_at >= $5::timestamptz)
  and ($6::timestamptz is null or created_at < $6::timestamptz)
  and ($7::bigint[] is null or id = any($7::bigint[]))
  and ($8::text is null or key = $8::text)
order by id
