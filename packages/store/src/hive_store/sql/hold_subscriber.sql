-- Take a subscriber's name, for as long as nobody else has it; make it if there is none.
--
-- $1 name          text
-- $2 holder        uuid              who takes it, fresh at every opening
-- $3 host          text
-- $4 pid           integer
-- $5 held_seconds  double precision  for how long, without saying so again
-- $6 xid           text              where to begin if the name is new: transaction id of a cursor
-- $7 id            bigint
--
-- returns: the place of the subscriber; no row while another holder has it
insert into hive.subscriber as s (name, xid, id, holder, host, pid, held_until)
values ($1::text, $6::text::xid8, $7::bigint, $2::uuid, $3::text, $4::integer,
        clock_timestamp() + make_interval(secs => $5::double precision))
on conflict (name) do update
set holder = excluded.holder,
    host = excluded.host,
    pid = excluded.pid,
    held_until = excluded.held_until
where s.holder = excluded.holder or s.held_until < statement_timestamp()
returning xid::text::bigint as xid, id
