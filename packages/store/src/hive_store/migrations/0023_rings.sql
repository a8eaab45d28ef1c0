-- A ring says when it is for tasks that wait for others: then alone their keys and parents are looked at.
--
-- Queens looked at them at each submit, with three statements that delayed the claim beside them.
--
-- compatible_from: 22

create or replace function hive.wake_granters() returns trigger language plpgsql as $$
begin
  notify hive_queued, 'waiting';
  return null;
end
$$;
