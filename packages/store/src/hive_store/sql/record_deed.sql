-- Write down what a person did by hand.
--
-- $1 actor    text  who: the name of the account
-- $2 host     text  where
-- $3 what     text  the command
-- $4 target   text  what it was done to
-- $5 details  text  JSON
--
-- returns: when it was
insert into hive.audit (actor, host, what, target, details)
values ($1::text, $2::text, $3::text, $4::text, $5::text::jsonb)
returning at
