-- A queen recounts the leases that she granted.
--
-- $1 queen_id  uuid
--
-- returns: one row per lease
select id, queue, open, accepted_at is null as is_unaccepted, cardinality(task_ids) as size
from hive.lease
where queen_id = $1::uuid
