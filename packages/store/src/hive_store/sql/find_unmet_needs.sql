-- Find queued tasks that need labels which no living worker that serves their queue has, all of them on one.
--
-- $1 living_seconds  double precision  whoever was seen within this time lives
--
-- returns: one row per queue and needs, with how many tasks wait there
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
)
select l.queue, l.needs,
       (select count(*)::integer from hive.task t
        where (t.state = 'queued' or (t.state = 'blocked' and t.waits_for_limit is not null)) and t.needs <> '' and t.queue = l.queue and t.needs = l.needs) as count
from waiting l
where not exists (
  select from hive.worker w
  where l.queue = any(w.queues) and w.labels @> string_to_array(l.needs, ',') and not w.is_draining
    and w.seen_at > statement_timestamp() - make_interval(secs => $1::double precision))
order by l.queue, l.needs
