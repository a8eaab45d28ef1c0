-- Say that a worker has left: it serves nothing any more.
--
-- Its row stays, so that people can be told where its attempts ran.
--
-- $1 worker_id  uuid
--
-- returns: nothing
update hive.worker set is_draining = true, queues = '{}', seen_at = clock_timestamp() where id = $1::uuid
