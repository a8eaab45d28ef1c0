-- Forget deliveries that ended long ago, some at a time.
--
-- $1 ended_seconds  double precision  how long ago
-- $2 limit          integer
--
-- returns: how many were forgotten
with gone as (
  delete from hive.webhook_delivery
  where id in (
    select id from hive.webhook_delivery
    where ended_at < statement_timestamp() - make_interval(secs => $1::double precision)
    limit $2::integer)
  returning 1
)
select count(*)::integer as count from gone
