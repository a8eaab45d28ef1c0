-- How many leased tasks name a lease that is not there, or leases hold a count that is not true? Must be 0.
--
-- returns: one row
select (
  (select count(*) from hive.task t
   where num_nonnulls(t.lease_id) = 1 and not exists (select from hive.lease l where l.id = t.lease_id))
  + (select count(*) from hive.lease l
     where l.open <> (select count(*) from hive.task t where t.id = any(l.task_ids) and t.lease_id = l.id))
)::integer as count
