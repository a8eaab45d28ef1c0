-- Take or keep the term: the right to the duties that one queen alone has.
--
-- A term is issued by the database, numbered, and held until it expires; a queen that keeps it keeps
-- its number.
--
-- $1 queen_id      uuid
-- $2 term_seconds  double precision
--
-- returns: the term's number, or no row while another queen holds it
insert into hive.term as t (number, queen_id, expires_at)
values (1, $1::uuid, clock_timestamp() + make_interval(secs => $2::double precision))
on conflict (only_one) do update
set number = t.number + (t.queen_id <> excluded.queen_id)::integer,
    queen_id = excluded.queen_id,
    expires_at = excluded.expires_at
where t.queen_id = excluded.queen_id or t.expires_at < statement_timestamp()
returning number
