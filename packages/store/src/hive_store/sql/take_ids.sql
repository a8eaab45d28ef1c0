-- Take ids for tasks that come from elsewhere.
--
-- $1 count  integer
--
-- returns: the ids, rising
select nextval(pg_get_serial_sequence('hive.task', 'id')) as id
from generate_series(1, $1::integer)
