-- Have tasks looked at that wait for others, or for the turn of their key: what they wait for may have ended
-- where they come from.
--
-- $1 task_ids  bigint[]
--
-- returns: nothing
with waiting as materialized (
  select id, key, state, has_turn, is_gated from hive.task where id = any($1::bigint[]) and finished_at is null
),
woken as (
  insert into hive.key_wake (key) select distinct key from waiting where state = 'blocked' and has_turn is false
)
insert into hive.dependency_wake (child_id) select id from waiting where is_gated
