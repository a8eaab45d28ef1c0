-- The tables whose rows a backup holds, and their columns.
--
-- Left out are the registers of who lives (workers, queens, the term) and of migrations; columns
-- that Postgres computes; and transaction ids, which mean nothing on another server. Partitions are
-- reached through their parent.
--
-- returns: one row per table, with the tables that its foreign keys name
select c.relname::text as name,
       array_agg(a.attname::text order by a.attnum) as columns,
       array(
         select distinct r.relname::text
         from pg_constraint f join pg_class r on r.oid = f.confrelid
         where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid
       ) as refers_to
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'hive'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname not in ('migration', 'worker', 'queen', 'term')
  and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.atttypid <> 'xid8'::regtype
group by c.oid, c.relname
order by c.relname
