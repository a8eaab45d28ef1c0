-- See that tasks are there that others are to come after, and that retention leaves them there until then.
--
-- Sent in the transaction that adds the others.
--
-- $1 task_ids  bigint[]
--
-- returns: the ids that no task has
select unnest(hive.hold_parents($1::bigint[])) as id
