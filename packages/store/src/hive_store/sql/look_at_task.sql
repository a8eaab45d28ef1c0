-- What a person asks of one task beside its record: its claim, its place in line, its last word.
--
-- $1 task_id        bigint
-- $2 most_ahead     integer           count no further
-- $3 living_seconds double precision  a queen that was seen within this time lives
--
-- returns: one row, or none if there is no such task; `ahead` is null unless it is queued, `turn_of` is the task that has the turn of its key, `ahead_of_key` is null unless it is blocked, `parent_id` is the first task that it still waits for, `child_id` the first that waits for it, `limit_name` is the limit that it waits for or that of its queue, `unheard_seconds` while its last claim has written nothing
select statement_timestamp() as now, t.queue, t.state::text as state, t.claims as claim,
       t.claims - t.given_back as attempt,
       case when t.state = 'queued' then
         (select count(*)::integer from (
            select from hive.task o
            where o.state = 'queued' and o.queue = t.queue and o.needs = t.needs
              and (o.priority, o.run_at, o.id) < (t.priority, t.run_at, t.id)
            limit $2::integer) as line)
       end as ahead,
       (select r.id from hive.task r where r.key = t.key and r.has_turn and r.finished_at is null) as turn_of,
       case when t.state = 'blocked' then
         (select count(*)::integer from (
            select from hive.task o
            where o.key is not null and (o.key, o.id) > (t.key, 0) and o.key = t.key and o.id < t.id
              and o.state = 'blocked' and not o.has_turn
            limit $2::integer) as key_line)
       end as ahead_of_key,
       q.paused_at, q.paused_by, q.paused_reason,
       t.state = 'blocked' and t.waits_for_limit is not null as is_held_up,
       l.name as limit_name, l.max_running as limit_running, l.rate as limit_rate,
       (select min(d.parent_id) from hive.dependency d where d.child_id = t.id and d.is_open) as parent_id,
       (select p.state::text
        from hive.task p
        where p.id = (select min(d.parent_id) from hive.dependency d where d.child_id = t.id and d.is_open)
       ) as parent_state,
       (select count(*)::integer from (
          select from hive.dependency d where d.child_id = t.id and d.is_open limit $2::integer) as parents) as parents,
       (select min(d.child_id) from hive.dependency d where d.parent_id = t.id and d.is_open) as child_id,
       (select count(*)::integer from (
          select from hive.dependency d where d.parent_id = t.id and d.is_open limit $2::integer) as children) as children,
       (select extract(epoch from statement_timestamp() - max(w.at))::double precision
        from hive.output w where w.task_id = t.id and w.claim = t.claims) as unheard_seconds,
       (select count(*)::integer from hive.queen
        where seen_at > statement_timestamp() - make_interval(secs => $3::double precision)) as queens
from hive.task t
  left join hive.queue q on q.name = t.queue and q.is_paused
  left join hive.usage_limit l
    on l.name = case when t.state = 'blocked' then t.waits_for_limit else 'queue:' || t.queue end
where t.id = $1::bigint
