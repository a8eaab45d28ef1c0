-- Where a webhook leads and what signs its deliveries, to send it a test.
--
-- $1 webhook_id  bigint
--
-- returns: one row, or none
select w.url, s.secret, extract(epoch from clock_timestamp())::bigint as now
from hive.webhook w
  left join hive.webhook_secret s on s.webhook_id = w.id
where w.id = $1::bigint
