-- How far each sequence has counted.
--
-- returns: one row per sequence that was ever used
select sequencename::text as name, last_value
from pg_sequences
where schemaname = 'hive' and last_value is not null
order by sequencename
