-- Deliver nothing more to a webhook until it is resumed. What is on its way may still arrive.
--
-- $1 webhook_id  bigint
--
-- returns: one row, or none if there is no such webhook
update hive.webhook
set paused_at = coalesce(paused_at, statement_timestamp()), pause_reason = coalesce(pause_reason, 'by hand')
where id = $1::bigint
returning id
