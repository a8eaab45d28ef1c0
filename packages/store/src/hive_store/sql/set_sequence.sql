-- Have a sequence go on behind a number.
--
-- $1 name   text
-- $2 value  bigint  the last number that it gave out
--
-- returns: the number
select setval(format('hive.%I', $1::text)::regclass, $2::bigint)
