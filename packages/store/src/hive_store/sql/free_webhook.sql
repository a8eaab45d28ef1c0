-- Let another take a webhook that has nothing more to deliver.
--
-- $1 webhook_id  bigint
-- $2 holder      uuid
--
-- returns: nothing
update hive.webhook set held_until = '-infinity' where id = $1::bigint and holder = $2::uuid
