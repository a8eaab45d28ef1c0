-- The lines with needs that a worker can serve, and in which there is something for it.
--
-- That is what waits, read off the index from one line to the next, and what is leased and accepted by nobody.
--
-- $1 queues  text[]  null for any
-- $2 labels  text[]  of the worker; null if it is to be taken to have whatever is needed
--
-- returns: one row per line
with recursive waiting (queue, needs) as (
  (select queue, needs from hive.task where (state = 'queued' or (state = 'blocked' and waits_for_limit is not null)) and needs <> '' order by queue, needs limit 1)
  union all
  select n.queue, n.needs
  from waiting w cross join lateral (
    select t.queue, t.needs from hive.task t
    where (t.state = 'queued' or (t.state = 'blocked' and t.waits_for_limit is not null)) and t.needs <> '' and (t.queue, t.needs) > (w.queue, w.needs)
    order by t.queue, t.needs
    limit 1
  ) n
),
line as (
  select queue, needs from waiting
  union
  select queue, needs from hive.lease where needs <> '' and accepted_at is null
)
select queue, needs from line
where ($1::text[] is null or queue = any($1::text[]))
  and ($2::text[] is null or $2::text[] @> string_to_array(needs, ','))
order by queue, needs
