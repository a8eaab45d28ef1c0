-- Read what became of the tasks that a task comes after.
--
-- $1 task_id       bigint
-- $2 result_bytes  integer  larger results are left out
-- $3 total_bytes   bigint   and those that would make all of them larger than this
--
-- returns: one row per task, by id; `result` is null if there is none or it is left out
select p.id, p.state::text as state, p.error,
       case when p.bytes <= $2::integer and p.so_far <= $3::bigint then p.result end as result,
       not (p.bytes <= $2::integer and p.so_far <= $3::bigint) as is_left_out
from (
  select t.id, t.state, t.error, t.result, size.bytes,
         sum(case when size.bytes <= $2::integer then size.bytes else 0 end) over (order by t.id) as so_far
  from (select parent_id from hive.dependency where child_id = $1::bigint) d
    cross join lateral (select id, state, error, result from hive.task where id = d.parent_id limit 1) t
    cross join lateral (select coalesce(octet_length(t.result::text), 0) as bytes) size
) p
order by p.id
