-- Say that a queen lives.
--
-- $1 queen_id  uuid
-- $2 host      text
-- $3 pid       integer
-- $4 version   text
--
-- returns: nothing
insert into hive.queen (id, host, pid, version)
values ($1::uuid, $2::text, $3::integer, $4::text)
on conflict (id) do update set seen_at = clock_timestamp()
