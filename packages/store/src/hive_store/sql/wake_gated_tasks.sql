-- Have tasks that wait for others looked at: what they wait for may have ended where they come from.
--
-- $1 task_ids  bigint[]
--
-- returns: nothing
insert into hive.dependency_wake (child_id)
select id from hive.task where id = any($1::bigint[]) and is_gated and finished_at is null
