-- Remove a webhook with all its deliveries.
--
-- $1 webhook_id  bigint
--
-- returns: one row, or none if there is no such webhook
delete from hive.webhook where id = $1::bigint returning id
