-- Go on delivering to a webhook at once, with new patience; give up what is pending if that is wanted.
-- Write down who did.
--
-- $1 webhook_id  bigint
-- $2 skips       boolean
-- $3 actor       text
-- $4 host        text
--
-- returns: one row, or none if there is no such webhook
with resumed as (
  update hive.webhook
  set paused_at = null, pause_reason = null, failing_since = null, failures = 0, due_at = '-infinity',
      holder = case when $2::boolean then null else holder end
  where id = $1::bigint
  returning id
),
skipped as (
  update hive.webhook_delivery d
  set ended_at = statement_timestamp(), is_given_up = true
  from resumed
  where d.webhook_id = resumed.id and d.ended_at is null and $2::boolean
),
noted as (
  insert into hive.audit (actor, host, what, target, details)
  select $3::text, $4::text, 'webhook resumed', id::text, jsonb_build_object('skip', $2::boolean) from resumed
)
select id from resumed
