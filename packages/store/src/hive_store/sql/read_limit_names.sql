-- Which limits there are: what a queen must know to choose how she claims.
--
-- returns: one row per limit
select scope, target from hive.usage_limit
