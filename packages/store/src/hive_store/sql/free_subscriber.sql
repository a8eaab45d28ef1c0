-- Give a subscriber's name back, so that the next one need not wait.
--
-- $1 name    text
-- $2 holder  uuid
--
-- returns: nothing
update hive.subscriber set held_until = '-infinity', holder = null where name = $1::text and holder = $2::uuid
