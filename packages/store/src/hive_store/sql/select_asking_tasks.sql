-- Find tasks that wait for an answer, newest first: through the questions without one, which are few.
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
-- returns: the ids, newest first
select id
from hive.task
where id in (select task_id from hive.question where answer is null)
  and asked_at is not null and state in ('blocked', 'scheduled')
  and ($1::text[] is null or state = any($1::text[]::hive.task_state[]))
  and ($2::text is null or queue = $2::text)
  and ($3::text is null or kind = $3::text)
  and ($4::text is null or group_name = $4::text)
  and ($5::timestamptz is null or created_at >= $5::timestamptz)
  and ($6::timestamptz is null or created_at < $6::timestamptz)
  and ($7::bigint is null or id < $7::bigint)
  and ($9::text is null or key = $9::text)
order by id desc
limit $8::integer
