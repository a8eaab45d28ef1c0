-- Every webhook, and how it fares; never its secret.
--
-- returns: one row per webhook, the oldest first
select w.id, w.url, w.is_signed, w.types, w.group_name, w.queue, w.kind, w.created_at,
       w.failures, w.failing_since, w.last_error, w.paused_at, w.pause_reason,
       extract(epoch from statement_timestamp() - d.created_at)::double precision as pending_seconds
from hive.webhook w
  left join hive.webhook_delivery d on d.webhook_id = w.id and d.ended_at is null
order by w.id
