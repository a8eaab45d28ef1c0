-- What has a task spent, with all its attempts?
--
-- $1 task_id  bigint
--
-- returns: one row: null for what is not known; `attempts` those that have spent anything, `unpriced` those of unknown price
select sum(microdollars)::bigint as microdollars, sum(input_tokens)::bigint as input_tokens,
       sum(output_tokens)::bigint as output_tokens, sum(turns)::bigint as turns, count(*)::integer as attempts,
       count(*) filter (where microdollars is null)::integer as unpriced
from hive.spending
where task_id = $1::bigint
