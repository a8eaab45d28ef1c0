-- Deliver nothing more to a webhook until it is resumed. Write down who did.
--
-- What is on its way may still arrive.
--
-- $1 webhook_id  bigint
-- $2 actor       text
-- $3 host        text
--
-- returns: one row, or none if there is no such webhook
with paused as (
  update hive.webhook
  set paused_at = coalesce(paused_at, statement_timestamp()), pause_reason = coalesce(pause_reason, 'by hand')
  where id = $1::bigint
  returning id
),
noted as (
  insert into hive.audit (actor, host, what, target)
  select $2::text, $3::text, 'webhook paused', id::text from paused
)
select id from paused
