-- Find tasks, queued or held up by a limit, that need what no living worker that serves their queue has: all
-- the labels, and the slots.
--
-- $1 living_seconds  double precision  whoever was seen within this time lives
--
-- returns: one row per queue and needs, with how many tasks wait there, and how many slots a living worker
--          of the queue has at most that has the labels (null if none has)
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
        where (t.state = 'queued' or (t.state = 'blocked' and t.waits_for_limit is not null)) and t.needs <> '' and t.queue = l.queue and t.needs = l.needs) as count,
       (select max(w.slots) from hive.worker w
        where l.queue = any(w.queues) and w.labels @> hive.labels_in(l.needs) and not w.is_draining
          and w.seen_at > statement_timestamp() - make_interval(secs => $1::double precision)) as largest
from waiting l
where not exists (
  select from hive.worker w
  where l.queue = any(w.queues) and w.labels @> hive.labels_in(l.needs) and w.slots >= hive.slots_in(l.needs)
    and not w.is_draining
    and w.seen_at > statement_timestamp() - make_interval(secs => $1::double precision))
order by l.queue, l.needs
