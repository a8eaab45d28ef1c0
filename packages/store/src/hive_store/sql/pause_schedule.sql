-- Pause or resume a schedule; write down who did. Ticks that come meanwhile do not count as missed.
--
-- $1 name       text
-- $2 is_paused  boolean  what it shall be
-- $3 actor      text
-- $4 host       text
--
-- returns: whether it changed, or no row if there is none of that name
with found as materialized (
  select id, (paused_at is not null) <> $2::boolean as changes from hive.schedule where name = $1::text for update
),
changed as (
  update hive.schedule s
  set paused_at = case when $2::boolean then clock_timestamp() end
  from found
  where s.id = found.id and found.changes
  returning s.id
),
noted as (
  insert into hive.audit (actor, host, what, target)
  select $3::text, $4::text, case when $2::boolean then 'schedule paused' else 'schedule resumed' end, $1::text
  from changed
)
select changes from found
