-- Remove a schedule; its tasks stay, and its ticks that wait are left out. Write down who did.
--
-- $1 name   text
-- $2 actor  text
-- $3 host   text
--
-- returns: its id, or no row if there is none of that name
with removed as (
  delete from hive.schedule where name = $1::text returning id
),
left_out as (
  update hive.tick k
  set outcome = 'skipped', reason = 'removed', decided_at = clock_timestamp()
  from removed
  where k.schedule_id = removed.id and k.outcome = 'waiting'
),
noted as (
  insert into hive.audit (actor, host, what, target)
  select $2::text, $3::text, 'schedule removed', $1::text from removed
)
select id from removed
