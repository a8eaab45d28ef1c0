-- The limit of silence: how long an attempt may show no sign of life before it is stopped.

alter table hive.task
  add column silence_timeout interval,
  add constraint a_silence_timeout_is_positive check (silence_timeout > interval '0') not valid;
alter table hive.task validate constraint a_silence_timeout_is_positive;
comment on column hive.task.silence_timeout is
  'An attempt that neither writes nor shows a sign of life for so long is stopped; null for no limit.';
