-- Lists of task ids are stored as they are: to compress those of large bundles took a seventh of a claim.
--
-- compatible_from: 2

alter table hive.lease alter column task_ids set storage external;
alter table hive.event alter column task_ids set storage external;
