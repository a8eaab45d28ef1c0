-- How many connections the server has for us, how many are open, and who of this Hive is at work.
--
-- Those open are everybody's, in all databases: they share one limit. What is kept back for
-- administrators is not counted. (`reserved_connections` came with Postgres 16.)
--
-- $1 living_seconds  double precision  whoever was seen within this time and has not left is at work
--
-- returns: one row
with living as (
  select takes_bundles
  from hive.worker
  where seen_at > statement_timestamp() - make_interval(secs => $1::double precision)
    and cardinality(queues) > 0
)
select current_setting('max_connections')::integer
         - current_setting('superuser_reserved_connections')::integer
         - coalesce(current_setting('reserved_connections', true)::integer, 0) as available,
       (select count(*)::integer from pg_stat_activity
        where datid is not null and coalesce(backend_type, 'client backend') = 'client backend') as open,
       (select count(*)::integer from hive.queen
        where seen_at > statement_timestamp() - make_interval(secs => $1::double precision)) as queens,
       (select count(*)::integer from living where takes_bundles) as workers,
       (select count(*)::integer from living where not takes_bundles) as sync_workers
