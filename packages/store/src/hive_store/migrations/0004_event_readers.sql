-- Readers of the event log that are remembered by name, and what the log no longer holds.

create table hive.event_horizon (
  only_one boolean primary key default true,
  xid xid8 not null default pg_current_xact_id(),
  id bigint not null,
  at timestamptz not null,
  constraint there_is_one_event_horizon check (only_one)
);
comment on table hive.event_horizon is
  'The last event in the order of the log that was dropped with its day: a cursor before it has missed something.';

-- A restore gives every event the transaction of the restore, and so does the default of a place: a
-- reader goes on behind the id that it had come to.
create table hive.subscriber (
  name text primary key,
  xid xid8 not null default pg_current_xact_id(),
  id bigint not null,
  holder uuid,
  host text,
  pid integer,
  held_until timestamptz not null default '-infinity',
  constraint a_subscriber_has_a_name_of_at_most_200_characters check (length(name) between 1 and 200)
);
comment on column hive.subscriber.xid is 'With id the place in the log up to which everything has been handled.';
comment on column hive.subscriber.holder is 'Who reads under this name: one at a time, until held_until.';

-- As before, and what is dropped is noted.
create or replace function hive.drop_event_days(keep integer) returns integer language plpgsql as $$
declare
  name text;
  dropped integer := 0;
begin
  perform set_config('lock_timeout', '200ms', true);
  for name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'hive.event'::regclass and c.relname ~ '^event_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < (clock_timestamp() at time zone 'UTC')::date - keep
  loop
    execute format(
      'insert into hive.event_horizon as h (xid, id, at)
       select xid, id, at from hive.%I order by xid desc, id desc limit 1
       on conflict (only_one) do update set xid = excluded.xid, id = excluded.id, at = excluded.at
       where (h.xid, h.id) < (excluded.xid, excluded.id)', name);
    execute format('drop table hive.%I', name);
    dropped := dropped + 1;
  end loop;
  with gone as (
    delete from hive.event_default where at < clock_timestamp() - make_interval(days => keep + 1)
    returning xid, id, at
  )
  insert into hive.event_horizon as h (xid, id, at)
  select xid, id, at from gone order by xid desc, id desc limit 1
  on conflict (only_one) do update set xid = excluded.xid, id = excluded.id, at = excluded.at
  where (h.xid, h.id) < (excluded.xid, excluded.id);
  return dropped;
end
$$;
