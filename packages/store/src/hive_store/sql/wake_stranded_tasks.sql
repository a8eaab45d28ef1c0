-- Find tasks that wait for others though all of these ended a while ago, and have them looked at.
--
-- There should be none: each is counted, and tells of a fault. The next $2 waiting tasks behind $1 are looked
-- over. Young tasks and recent ends are left to the wake rows that were written with them.
--
-- $1 after_id       bigint            0 to begin
-- $2 limit          integer           most waiting tasks to look over
-- $3 quiet_seconds  double precision  how long everything must have been over
--
-- returns: one row: how many were stranded, and the last task looked over (null if there was none)
with looked_over as materialized (
  select id, created_at
  from hive.task
  where is_gated and finished_at is null and id > $1::bigint
  order by id
  limit $2::integer
),
stranded as materialized (
  select l.id
  from looked_over l
  where l.created_at < statement_timestamp() - make_interval(secs => $3::double precision)
    and (select d.child_id
         from hive.dependency d
         where d.child_id = l.id
           and (select p.finished_at is null
                       or p.finished_at > statement_timestamp() - make_interval(secs => $3::double precision)
                from hive.task p where p.id = d.parent_id)
         limit 1) is null
    and (select w.child_id from hive.dependency_wake w where w.child_id = l.id limit 1) is null
),
woken as (
  insert into hive.dependency_wake (child_id) select id from stranded
)
select (select count(*)::integer from stranded) as count, (select max(id) from looked_over) as last_id
