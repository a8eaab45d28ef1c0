-- Let tasks go on that a budget had set aside and would not any more; there is nothing to do without budgets.
--
-- $1 actor  text
-- $2 host   text
--
-- returns: how many
-- moves:   scheduled -> queued (fall_due), scheduled -> blocked (line_up)
-- events:  unparked
select case when exists (select from hive.budget) then hive.free_from_budgets($1::text, $2::text) else 0 end
