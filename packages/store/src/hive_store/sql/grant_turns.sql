-- Give the turn of up to $1 keys to the first task in the line of each.
--
-- A key is looked at because something has happened to it: a task was submitted or revived, or a turn
-- has ended. Whoever wrote the wake row has committed, and this statement's snapshot is younger, so
-- the head of the line is the true one. A key whose turn is taken is left alone; the end of that turn
-- wakes it again.
--
-- A head that somebody else holds, or has changed since, is left for the next time, and the wake rows of its
-- key with it: it may be leaving the line, and who leaves it without the turn wakes nobody.
--
-- Two queens that grant one key at once: the second passes over the head that the first holds. Should they
-- see different heads, they collide on the unique index: the second is refused as a whole, and tries again
-- with fewer. There one may wait for the other; both come to the keys in one order, so never each for each.
--
-- A head that waits for tasks that it comes after keeps its place, and the turn stays free until they have
-- ended: that wakes the key again.
--
-- What is granted is due from now on: it comes behind the watermarks of the claims, which then need not
-- look back for it.
--
-- The line is found by one descent of its index for each key (`order by t.key, t.id` after a lower
-- bound): ordered by id alone, the planner reads the primary key. The heads are locked by one look for each
-- (`limit 1`): asked for together, the planner may read all that is blocked.
--
-- $1 limit  integer  most wake rows to take
--
-- returns: one row: how many wake rows are done with, and how many turns were given
-- moves:   blocked -> queued (unblock)
-- events:  unblocked
with wake as materialized (
  select ctid, key from hive.key_wake limit $1::integer for update skip locked
),
head as materialized (
  select n.id, n.key
  from (select distinct key from wake) k
    cross join lateral (
      select t.id, t.key, t.is_gated
      from hive.task t
      where t.key is not null and (t.key, t.id) > (k.key, 0) and t.state = 'blocked' and not t.has_turn
      order by t.key, t.id
      limit 1
    ) n
  where n.key = k.key and n.is_gated is not true
    and (select r.id from hive.task r where r.key = k.key and r.has_turn and r.finished_at is null limit 1) is null
),
locked as materialized (
  select t.id
  from (select id from head order by key) h
    cross join lateral (
      select id
      from hive.task
      where id = h.id and state = 'blocked' and not has_turn and is_gated is not true
      limit 1
      for update skip locked
    ) t
),
granted as (
  update hive.task t
  set state = 'queued', has_turn = true, run_at = greatest(t.run_at, statement_timestamp())
  from locked
  where t.id = locked.id
  returning t.id
),
done as (
  delete from hive.key_wake
  where ctid = any(array(
    select ctid from wake where key not in (select key from head where id not in (select id from locked))))
  returning 1
),
told as (
  insert into hive.event (type, task_id) select 'unblocked', id from granted
)
select (select count(*)::integer from done) as taken, (select count(*)::integer from granted) as granted
