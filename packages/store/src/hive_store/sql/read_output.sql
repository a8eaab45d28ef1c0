-- Read the output of one attempt of a task, from a place on.
--
-- $1 task_id      bigint
-- $2 attempt      integer  null for the current or last one
-- $3 after_stdout bigint   bytes of stdout already seen
-- $4 after_stderr bigint   bytes of stderr already seen
-- $5 limit        integer  most pieces
--
-- An attempt that was given back shares its number with the one after it; the later one is meant.
--
-- returns: pieces, in order of arrival; the first of a stream may begin before the place asked for
select o.stream, o.position, o.data, o.at, o.claim
from hive.output o
where o.task_id = $1::bigint
  and o.claim = (
    select coalesce(
      (select t.claims from hive.task t
       where t.id = $1::bigint and coalesce($2::integer, t.claims - t.given_back) = t.claims - t.given_back),
      (select a.claim from hive.attempt a
       where a.task_id = $1::bigint and a.attempt = $2::integer order by a.claim desc limit 1)))
  and o.position + octet_length(o.data) > case o.stream when 'stdout' then $3::bigint else $4::bigint end
order by o.at, o.stream desc, o.position
limit $5::integer
