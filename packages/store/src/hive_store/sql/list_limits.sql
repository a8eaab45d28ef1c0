-- The limits, and how far each is used.
--
-- returns: one row per limit, by name: `running` counts leased tasks, `held_up` those that wait for it, `tokens` what may start now (null without a rate)
with leased as materialized (
  select t.queue, t.kind, t.key, count(*) as count
  from hive.lease h
    cross join lateral unnest(h.task_ids) as m (id)
    cross join lateral (select k.queue, k.kind, k.key from hive.task k where k.id = m.id and k.lease_id = h.id limit 1) t
  where exists (select from hive.usage_limit)
  group by t.queue, t.kind, t.key
)
select l.name, l.scope, l.target, l.max_running, l.rate, l.burst,
       hive.refilled(l.tokens, l.refilled_at, l.rate, l.burst, clock_timestamp()) as tokens,
       (select coalesce(sum(u.count), 0)
        from leased u
        where case l.scope when 'queue' then u.queue = l.target when 'kind' then u.kind = l.target
                           else starts_with(u.key, l.target) end)::integer as running,
       (select count(*) from hive.task
        where state = 'blocked' and waits_for_limit is not null and waits_for_limit = l.name)::integer as held_up
from hive.usage_limit l
order by l.name
