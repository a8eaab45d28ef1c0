-- Write what attempts have spent so far, and add what is new of it to the sums of the day.
--
-- Only of attempts that are held. Repeated, it changes nothing, also while the first is still at work: what is
-- told is in all, and never shrinks. The function does it, which see.
--
-- $1 task_ids       bigint[]  each task once
-- $2 lease_ids      uuid[]    the lease of each, in the same order
-- $3 microdollars   bigint[]  null if nobody knows; so are the others
-- $4 input_tokens   bigint[]
-- $5 output_tokens  bigint[]
-- $6 turns          bigint[]
--
-- returns: the tasks that are held
select id
from hive.write_spending($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) as w (id)
