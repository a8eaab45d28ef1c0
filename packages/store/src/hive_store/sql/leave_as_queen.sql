-- Say that a queen has left.
--
-- $1 queen_id  uuid
--
-- returns: nothing
delete from hive.queen where id = $1::uuid
