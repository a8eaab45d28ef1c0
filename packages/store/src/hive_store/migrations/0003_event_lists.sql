-- Events that list many tasks, by when they happened, to find the claims and the submit of one task; lists as they are.
--
-- compatible_from: 2

-- One entry for each submit and each claim, however many tasks it has; single events have their own index.
create index event_lists on hive.event (at) where task_ids is not null;

-- Lists are stored as they are: to compress those of large bundles took a seventh of a claim.
alter table hive.lease alter column task_ids set storage external;
alter table hive.event alter column task_ids set storage external;
