-- The last id that was given to a task.
--
-- returns: one row; 0 if there was none
select coalesce((select last_value from pg_sequences where schemaname = 'hive' and sequencename = 'task_id_seq'), 0)
  as last_id
