-- Close the breakers whose probe has succeeded, or has run for a minute without meeting the quota. Their waiting tasks are let go by `free_held_up_tasks`.
--
-- returns: the names of those that were closed
select hive.close_proven_breakers() as name
