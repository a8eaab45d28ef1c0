-- Retention: what people did needs no details, days of the log are made one by one, deletes leave no bloat.

alter table hive.audit
  alter column target drop not null,
  alter column details drop not null,
  alter column details drop default;

-- The partition of one day, for events that come from another Hive. Nothing is made if it is there,
-- or if some of that day's events already lie in the default partition.
create function hive.create_event_day(day date) returns boolean language plpgsql as $$
declare
  begins timestamptz := day::timestamp at time zone 'UTC';
  ends timestamptz := (day + 1)::timestamp at time zone 'UTC';
begin
  perform set_config('lock_timeout', '200ms', true);
  if to_regclass(format('hive.event_%s', to_char(day, 'YYYYMMDD'))) is not null
    or exists (select from hive.event_default where at >= begins and at < ends) then
    return false;
  end if;
  execute format(
    'create table hive.event_%s partition of hive.event for values from (%L) to (%L)',
    to_char(day, 'YYYYMMDD'), begins, ends);
  return true;
end
$$;

-- Finished tasks leave in batches: their room must be free for the next ones before a fifth is empty.
alter table hive.attempt set (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0
);
alter table hive.output set (
  autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 20000,
  toast.autovacuum_vacuum_cost_delay = 0
);
