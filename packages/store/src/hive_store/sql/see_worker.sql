-- Say that a worker lives.
--
-- Not of one that has left: a heartbeat that was given up by its sender may still be on its way.
--
-- $1 worker_id    uuid
-- $2 host         text
-- $3 pid          integer
-- $4 version      text
-- $5 queues       text[]
-- $6 slots        integer
-- $7 is_draining  boolean
-- $8 takes_bundles boolean  false if it claims for itself: no queen counts on its slots
-- $9 stuck        integer  how much of what it was to stop does not
-- $10 labels      text[]
--
-- returns: nothing
insert into hive.worker (id, host, pid, version, queues, slots, is_draining, takes_bundles, stuck, stuck_since, labels)
values ($1::uuid, $2::text, $3::integer, $4::text, $5::text[], $6::integer, $7::boolean, $8::boolean, $9::integer,
        case when $9::integer > 0 then clock_timestamp() end, $10::text[])
on conflict (id) do update
set seen_at = clock_timestamp(), is_draining = excluded.is_draining, queues = excluded.queues,
    slots = excluded.slots, labels = excluded.labels, stuck = excluded.stuck,
    stuck_since = case when excluded.stuck > 0 then coalesce(worker.stuck_since, excluded.stuck_since) end
where worker.queues <> '{}'
