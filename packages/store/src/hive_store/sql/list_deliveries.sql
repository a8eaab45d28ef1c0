-- The last deliveries of a webhook.
--
-- $1 webhook_id  bigint
-- $2 limit       integer
--
-- returns: one row per delivery, the latest first
select id, events, tries, created_at, ended_at, is_given_up, status, error
from hive.webhook_delivery
where webhook_id = $1::bigint
order by created_at desc
limit $2::integer
