-- Give the term up, so that another queen need not wait for it to expire.
--
-- $1 queen_id  uuid
--
-- returns: nothing
update hive.term set expires_at = '-infinity' where queen_id = $1::uuid
