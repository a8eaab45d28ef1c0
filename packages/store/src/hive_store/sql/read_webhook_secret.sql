-- Where a webhook leads and what signs its deliveries, to send it a test.
--
-- $1 webhook_id  bigint
--
-- returns: one row, or none
select url, secret, extract(epoch from clock_timestamp())::bigint as now
from hive.webhook where id = $1::bigint
