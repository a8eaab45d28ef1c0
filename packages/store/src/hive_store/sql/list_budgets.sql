-- The budgets, and what is spent of each.
--
-- returns: one row per budget, by name
select name, scope, target, is_daily, most_microdollars, most_tokens, most_turns, microdollars, tokens, turns, unpriced,
       is_used_up
from hive.budget_use
order by name
