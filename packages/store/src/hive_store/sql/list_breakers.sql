-- The breakers that are open, or that one task after another tries.
--
-- returns: one row per breaker, by name: `open_until` is null without an end, `probe_id` the task that somebody has who tries it, `held_up` counts those that wait
select l.target as name, l.open_until > statement_timestamp() as is_open, nullif(l.open_until, 'infinity') as open_until,
       l.opened, l.reason,
       (select t.id from hive.task t where t.id = l.probe_id and t.lease_id is not null) as probe_id,
       (select count(*) from hive.task
        where state = 'blocked' and waits_for_limit is not null and waits_for_limit = l.name)::integer as held_up
from hive.usage_limit l
where l.scope = 'breaker'
order by l.target
