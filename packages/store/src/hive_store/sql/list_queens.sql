-- Queens, and what they have handed out.
--
-- $1 seen_within_seconds  double precision
--
-- returns: one row per queen, oldest first
select q.id, q.host, q.pid, q.version, q.started_at,
       extract(epoch from statement_timestamp() - q.seen_at)::double precision as unseen_seconds,
       coalesce((select sum(l.open) from hive.lease l where l.queen_id = q.id), 0)::integer as handed_out,
       exists (
         select from hive.term t where t.queen_id = q.id and t.expires_at > statement_timestamp()
       ) as has_term
from hive.queen q
where q.seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
order by q.started_at
