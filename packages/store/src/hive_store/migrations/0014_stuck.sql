-- Workers say how much of what they were to stop does not, so that people see it from anywhere.

alter table hive.worker
  add column stuck integer not null default 0,
  add column stuck_since timestamptz,
  add constraint what_is_stuck_is_so_since_a_moment check ((stuck > 0) = (stuck_since is not null));
comment on column hive.worker.stuck is
  'How many handlers ignore that they were called off, and its event loop if that is blocked.';
