-- Readers of the event log: subscribers, webhooks, and what the log no longer holds for them.

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

create table hive.webhook (
  id bigint generated always as identity primary key,
  url text not null,
  is_signed boolean not null default false,
  types text[] not null default '{}',
  group_name text,
  queue text,
  kind text,
  xid xid8 not null default pg_current_xact_id(),
  event_id bigint not null default 9223372036854775807,
  created_at timestamptz not null default clock_timestamp(),
  due_at timestamptz not null default '-infinity',
  failures integer not null default 0,
  failing_since timestamptz,
  last_error text,
  paused_at timestamptz,
  pause_reason text,
  holder uuid,
  held_until timestamptz not null default '-infinity'
);
comment on column hive.webhook.types is 'Types of events that are wanted; empty for all.';
comment on column hive.webhook.xid is 'With event_id the place in the log up to which deliveries have been made up.';
comment on column hive.webhook.holder is 'The queen that delivers, one at a time, until held_until.';

-- Apart from the webhook, which everybody may see.
create table hive.webhook_secret (
  webhook_id bigint primary key references hive.webhook on delete cascade,
  secret text not null
);
comment on table hive.webhook_secret is 'What signs the deliveries of a webhook. Nothing shows it.';

-- Roles that may read every table, also those to come, may not read this one.
do $$
declare
  reader regrole;
begin
  for reader in
    select distinct a.grantee
    from pg_class c cross join lateral aclexplode(c.relacl) a
    where c.oid = 'hive.webhook_secret'::regclass and a.grantee not in (0, c.relowner)
  loop
    execute format('revoke all on hive.webhook_secret from %s', reader);
  end loop;
end
$$;

create table hive.webhook_delivery (
  id uuid primary key,
  webhook_id bigint not null references hive.webhook on delete cascade,
  body text not null,
  events integer not null,
  tries integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  is_given_up boolean not null default false,
  status integer,
  error text
);
comment on column hive.webhook_delivery.body is 'What is sent, the same at every try.';
comment on column hive.webhook_delivery.ended_at is 'When it was delivered or given up; null while it is pending.';

-- Events are delivered in the order of the log: the next ones are made up when these have ended.
create unique index a_webhook_has_one_pending_delivery on hive.webhook_delivery (webhook_id) where ended_at is null;
create index webhook_delivery_history on hive.webhook_delivery (webhook_id, created_at);
create index webhook_delivery_ended on hive.webhook_delivery (ended_at) where ended_at is not null;

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
