-- Say that a worker has left: it is seen no more.
--
-- $1 worker_id  uuid
--
-- returns: nothing
update hive.worker set is_draining = true, seen_at = '-infinity' where id = $1::uuid
