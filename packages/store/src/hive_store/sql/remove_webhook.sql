-- Remove a webhook with all its deliveries. Write down who did.
--
-- $1 webhook_id  bigint
-- $2 actor       text
-- $3 host        text
--
-- returns: one row, or none if there is no such webhook
with removed as (
  delete from hive.webhook where id = $1::bigint returning id
),
noted as (
  insert into hive.audit (actor, host, what, target)
  select $2::text, $3::text, 'webhook removed', id::text from removed
)
select id from removed
