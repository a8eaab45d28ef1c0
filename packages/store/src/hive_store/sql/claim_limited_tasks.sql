-- Lease up to $3 tasks of a queue that limits hold for, as `claim_tasks` does, as far as there is room.
--
-- The limits are locked first, so that claims which they hold for follow one another, and counted then
-- (`hive.lock_limits`). It is one statement: a queen that freezes holds no lock.
--
-- A task whose limit is reached is taken out of the queue, and waits in the limit's own line: those
-- behind it are not held up, and no claim steps over it twice. As many as the limit has room for are
-- read from the head of that line, and go in claim order with those that are queued. One that has
-- room there and none under another limit goes over to the line of that one.
--
-- A breaker that is open is such a limit. When it has room, it is for one task that tries it, and that is
-- written down as its probe.
--
-- A task that takes several slots counts as so many, and as all of a limit that allows less. All tasks of
-- a claim take the same, so rooms are counted in such tasks.
--
-- Parked tasks lie before the watermarks; these follow the tasks that were queued alone.
--
-- $1 queen_id          uuid
-- $2 queue             text
-- $3 limit             integer           most tasks to take
-- $4 lease_seconds     double precision  how long the leases last unless they are accepted
-- $5 bundle_size       integer           most tasks in a bundle
-- $6 worker_count      integer           over how many workers to spread, at least 1
-- $7 after_priorities  smallint[]        each interval begins behind (priority, run_at, id) ...
-- $8 after_run_ats     timestamptz[]
-- $9 after_ids         bigint[]
-- $10 last_priorities  smallint[]        ... and ends with this priority
-- $11 needs            text              what the tasks need of their worker; '' for those that need nothing; with the slots that each takes
-- $12 look_ahead       integer           how many tasks of each line to look at; $3 unless some were held up just before
--
-- returns: one row per lease and priority, with the last queued task in it (null if none was queued), or one without a lease; each with how many tasks were held up, whether some limit that is no breaker has no room left, and in how many seconds a rate or a breaker lets the next one start (null if none makes it wait)
-- moves:   queued -> dispatched (claim), blocked -> dispatched (claim), queued -> blocked (hold_up)
-- events:  dispatched, held_up
with room as materialized (
  select name, scope, target, weight, room, at, tokens, next_seconds
  from hive.lock_limits($2::text, hive.slots_in($11::text))
),
gate as materialized (
  select case
           when exists (select from hive.queue where name = $2::text and is_paused)
             or exists (select from room where scope = 'queue' and room.room = 0) then 0
           else $3::integer end as most
),
waiting as materialized (
  select t.*
  from room r cross join lateral (
    select id, kind, key, breaker, priority, run_at, goes_alone, waits_for_limit, false as is_queued
    from hive.task
    where waits_for_limit = r.name and waits_for_limit is not null and queue = $2::text and needs = $11::text
      and state = 'blocked'
    order by priority, run_at, id
    limit (select case when most = 0 then 0 when $12::integer > $3::integer then $12::integer
                       else least(r.room, most) end from gate)
    for update skip locked
  ) t
  where r.scope <> 'queue' and r.room > 0
),
queued as materialized (
  select t.*
  from unnest($7::smallint[], $8::timestamptz[], $9::bigint[], $10::smallint[])
    as i (priority, run_at, id, last_priority)
  cross join lateral (
    select id, kind, key, breaker, priority, run_at, goes_alone, null::text as waits_for_limit, true as is_queued
    from hive.task
    where queue = $2::text and needs = $11::text and state = 'queued'
      and (priority, run_at, id) > (i.priority, i.run_at, i.id)
      and priority <= i.last_priority
    order by priority, run_at, id
    limit (select case when most > 0 then $12::integer else 0 end from gate)
    for update skip locked
  ) t
  limit (select case when most > 0 then $12::integer else 0 end from gate)
),
candidate as materialized (
  select *, row_number() over (order by priority, run_at, id) as place
  from (select * from waiting union all select * from queued) c
),
verdict as materialized (
  select v.place, v.held_up_by
  from (select array_agg(kind order by place) as kinds, array_agg(key order by place) as keys,
               array_agg(breaker order by place) as breakers from candidate) c
    cross join (select array_agg(name order by scope, name) as names, array_agg(scope order by scope, name) as scopes,
                       array_agg(target order by scope, name) as targets,
                       array_agg(room.room order by scope, name) as rooms from room) r
    cross join hive.admit(c.kinds, c.keys, c.breakers, r.names, r.scopes, r.targets, r.rooms, $3::integer) v
),
admitted as materialized (
  select c.*, row_number() over (order by c.place) as number, count(*) over () as count
  from candidate c join verdict v on v.place = c.place
  where v.held_up_by is null
),
placed as materialized (
  select id, kind, key, priority, run_at, is_queued, place,
         case when goes_alone then -place
              else (number - 1) / greatest(1, least($5::integer, ceil(count / $6::integer::double precision)::integer))
         end as number
  from admitted
),
part as materialized (
  select priority, task_ids, kinds, last_run_at, last_id,
         first_value(new_id) over (partition by number order by priority) as lease_id
  from (
    select number, priority, array_agg(id order by place) as task_ids, array_agg(distinct kind) as kinds,
           (array_agg(run_at order by place desc) filter (where is_queued))[1] as last_run_at,
           (array_agg(id order by place desc) filter (where is_queued))[1] as last_id,
           gen_random_uuid() as new_id
    from placed
    group by number, priority
  ) p
),
granted as (
  insert into hive.lease (id, queen_id, queue, needs, task_ids, open, expires_at)
  select lease_id, $1::uuid, $2::text, $11::text, array_agg(m.id order by priority, m.place), count(*),
         clock_timestamp() + make_interval(secs => $4::double precision)
  from part cross join lateral unnest(task_ids) with ordinality m (id, place)
  group by lease_id
),
moved as (
  update hive.task t
  set state = 'dispatched', claims = t.claims + 1, lease_id = p.lease_id, started_at = null,
      worker_id = null, error = null, waits_for_limit = null
  from part p
  where t.id = any(p.task_ids)
),
held_up as materialized (
  select array_agg(c.id) as task_ids, v.held_up_by as name
  from candidate c join verdict v on v.place = c.place
  where v.held_up_by is distinct from c.waits_for_limit and v.held_up_by is not null
  group by v.held_up_by
),
parked as (
  update hive.task t
  set state = 'blocked', waits_for_limit = h.name
  from held_up h
  where t.id = any(h.task_ids)
),
used as materialized (
  select r.name, r.scope, r.at, r.tokens, r.weight, r.room, count(a.id) as count, min(a.id) as first_id
  from room r left join admitted a
    on case r.scope when 'queue' then true when 'kind' then a.kind = r.target when 'breaker' then a.breaker = r.target
                    else starts_with(a.key, r.target) end
  group by r.name, r.scope, r.at, r.tokens, r.weight, r.room
),
spent as (
  update hive.usage_limit l
  set tokens = u.tokens - u.count * u.weight, refilled_at = u.at
  from used u
  where l.name = u.name and l.rate is not null and u.count > 0
),
probed as (
  update hive.usage_limit l
  set probe_id = u.first_id
  from used u
  where l.name = u.name and l.scope = 'breaker' and u.count > 0
),
told as (
  insert into hive.event (type, task_ids)
  select 'dispatched', array_agg(id order by place) from placed having count(*) > 0
),
told_held_up as (
  insert into hive.event (type, task_ids, reason) select 'held_up', task_ids, name from held_up
)
select p.lease_id, p.priority, cardinality(p.task_ids) as size, p.kinds, p.last_run_at, p.last_id,
       coalesce((select sum(cardinality(task_ids)) from held_up), 0)::integer as held_up,
       exists (select from used where room <= count and scope <> 'breaker') as is_used_up,
       (select min(next_seconds) from room) as next_seconds
from (select) one left join part p on true
