-- Keep pieces of output of attempts that are still held.
--
-- $1 task_ids   bigint[]
-- $2 lease_ids  uuid[]    the lease of each
-- $3 streams    text[]    stdout or stderr
-- $4 positions  bigint[]  where each piece starts in its stream, in bytes
-- $5 pieces     bytea[]
--
-- Pieces of one call are a microsecond apart, in the order given: rows are written in the join's
-- order, and a clock read for each would put a later piece before an earlier one.
--
-- returns: the tasks whose pieces were kept
insert into hive.output (task_id, claim, stream, position, data, at)
select t.id, t.claims, g.stream, g.position, g.data,
       statement_timestamp() + g.place * interval '1 microsecond'
from unnest($1::bigint[], $2::uuid[], $3::text[], $4::bigint[], $5::bytea[])
    with ordinality as g (id, lease_id, stream, position, data, place)
  join hive.task t on t.id = g.id and t.lease_id = g.lease_id
on conflict do nothing
returning task_id
