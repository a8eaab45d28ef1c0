-- Forget workers and queens that were not seen for long; their ids stay on what they did.
--
-- $1 unseen_seconds  double precision
--
-- returns: how many were forgotten
with workers as (
  delete from hive.worker w
  where w.seen_at < statement_timestamp() - make_interval(secs => $1::double precision)
    and not exists (select from hive.lease l where l.worker_id = w.id)
  returning 1
),
queens as (
  delete from hive.queen
  where seen_at < statement_timestamp() - make_interval(secs => $1::double precision)
  returning 1
)
select ((select count(*) from workers) + (select count(*) from queens))::integer as count
