-- Retention: what people did is written down, days of the log are made one by one, deletes leave no bloat.
--
-- compatible_from: 2

create table if not exists hive.audit (
  at timestamptz not null default clock_timestamp(),
  actor text not null,
  host text not null,
  what text not null,
  target text,
  details jsonb
);
create index if not exists audit_at on hive.audit (at);

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
