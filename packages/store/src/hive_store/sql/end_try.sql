-- Write what came of a try to deliver: it is delivered, or will be tried again, or the webhook is paused.
--
-- $1 webhook_id        bigint
-- $2 holder            uuid
-- $3 held_seconds      double precision
-- $4 delivery_id       uuid
-- $5 status            integer           of the answer; null if there was none
-- $6 error             text              null if it is delivered
-- $7 again_seconds     double precision  when to try again, if it is not
-- $8 patience_seconds  double precision  a webhook that has failed for longer is paused
-- $9 is_gone           boolean           whether the receiver wants no more: it is paused at once
--
-- returns: one row, or none if the webhook is not held any more; whether it is paused now
with ended as (
  update hive.webhook w
  set failures = case when $6::text is null then 0 else w.failures + 1 end,
      failing_since = case when $6::text is not null then coalesce(w.failing_since, statement_timestamp()) end,
      last_error = $6::text,
      due_at = case
        when $6::text is null then w.due_at
        else clock_timestamp() + make_interval(secs => $7::double precision) end,
      held_until = case
        when $6::text is null then clock_timestamp() + make_interval(secs => $3::double precision)
        else '-infinity' end,
      paused_at = case
        when $6::text is not null
          and ($9::boolean
               or w.failing_since < statement_timestamp() - make_interval(secs => $8::double precision))
          then statement_timestamp() end,
      pause_reason = case
        when $6::text is null then null
        when $9::boolean then 'its receiver wants no more (410)'
        when w.failing_since < statement_timestamp() - make_interval(secs => $8::double precision)
          then 'it has failed for too long' end
  where w.id = $1::bigint and w.holder = $2::uuid and w.paused_at is null
  returning w.id, w.paused_at is not null as is_paused
),
tried as (
  update hive.webhook_delivery d
  set tries = d.tries + 1,
      status = $5::integer,
      error = $6::text,
      ended_at = case when $6::text is null then clock_timestamp() end
  from ended
  where d.id = $4::uuid and d.webhook_id = ended.id and d.ended_at is null
)
select is_paused from ended
