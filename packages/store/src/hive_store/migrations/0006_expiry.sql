-- Tasks that are of no use after a moment: what has not started by then is cancelled.

alter table hive.task add column expires_at timestamptz;
comment on column hive.task.expires_at is 'If it still waits at this moment, it is cancelled.';

create index task_expiry on hive.task (expires_at)
  where expires_at is not null and state in ('blocked', 'scheduled', 'queued');
