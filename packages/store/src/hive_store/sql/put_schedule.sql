-- Add a schedule, or give the one of its name what is said here; write down who did.
--
-- A change of the payload, the queue or a policy leaves the next tick as it is. An interval keeps
-- the anchor that it has unless another is named.
--
-- $1 name          text
-- $2 cron          text              exactly one of this, `every` and `once_at`
-- $3 zone          text
-- $4 every         interval
-- $5 anchor        timestamptz       null for this second, or for what it was
-- $6 once_at       timestamptz
-- $7 kind          text
-- $8 payload       text              JSON
-- $9 queue         text
-- $10 priority     smallint
-- $11 max_attempts integer
-- $12 max_losses   integer
-- $13 timeout      interval
-- $14 group_name   text              null for the schedule's name
-- $15 missed       text
-- $16 max_missed   integer
-- $17 overlap      text
-- $18 spread       interval
-- $19 key          text
-- $20 needs        text              joined
-- $21 breaker      text
-- $22 retry        text
-- $23 silence      interval
-- $24 expires_in   interval          after the tick
-- $25 replaces     boolean           also one that is there
-- $26 actor        text
-- $27 host         text
--
-- returns: its id, or no row if there is one of that name and it is not to be replaced
with put as (
  insert into hive.schedule as s
    (name, cron, zone, every, anchor, once_at, kind, payload, queue, priority, max_attempts, max_losses, timeout,
     group_name, missed, max_missed, overlap, spread, key, needs, breaker, retry, silence_timeout, expires_in)
  values ($1::text, $2::text, $3::text, $4::interval, coalesce($5::timestamptz, date_trunc('second', clock_timestamp())), $6::timestamptz,
          $7::text, $8::text::jsonb, $9::text, $10::smallint, $11::integer, $12::integer, $13::interval, $14::text,
          $15::text, $16::integer, $17::text, $18::interval, $19::text, $20::text, $21::text, $22::text, $23::interval,
          $24::interval)
  on conflict (name) do update
  set cron = excluded.cron, zone = excluded.zone, every = excluded.every,
      anchor = coalesce($5::timestamptz, s.anchor), once_at = excluded.once_at, kind = excluded.kind,
      payload = excluded.payload, queue = excluded.queue, priority = excluded.priority,
      max_attempts = excluded.max_attempts, max_losses = excluded.max_losses, timeout = excluded.timeout,
      group_name = excluded.group_name, missed = excluded.missed, max_missed = excluded.max_missed,
      overlap = excluded.overlap, spread = excluded.spread, key = excluded.key, needs = excluded.needs,
      breaker = excluded.breaker, retry = excluded.retry, silence_timeout = excluded.silence_timeout,
      expires_in = excluded.expires_in
  where $25::boolean
  returning s.id, s.xmax <> 0 as was_there
),
noted as (
  insert into hive.audit (actor, host, what, target, details)
  select $26::text, $27::text, case when was_there then 'schedule replaced' else 'schedule added' end, $1::text,
         jsonb_strip_nulls(jsonb_build_object(
           'cron', $2::text, 'zone', case when $2::text is not null then $3::text end, 'every', $4::interval,
           'once_at', $6::timestamptz, 'kind', $7::text, 'queue', $9::text))
  from put
)
select id from put
