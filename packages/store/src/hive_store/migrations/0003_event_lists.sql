-- Events that list many tasks, by when they happened: to find the claims and the submit of one task.
--
-- compatible_from: 2

-- One entry for each submit and each claim, however many tasks it has; single events have their own index.
create index event_lists on hive.event (at) where task_ids is not null;
