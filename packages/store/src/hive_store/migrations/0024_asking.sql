-- Tasks that ask a person something: they wait, blocked, until there is an answer, and nothing of them runs.
--
-- What was asked and answered has a table of its own, so that a task that asks nothing has one null more and
-- its statements know nothing of it. The turn of a key stays with who asks.
--
-- A further outcome is of an attempt that was stopped because a budget is used up.
--
-- The types are made anew for their labels, and what uses them written once more (0004 says why). A policy
-- that compares an outcome goes: `hive roles` brings it back, which is to be sent again after a migration.
--
-- A reader of an older Hive does not know them.
-- compatible_from: 24

alter table hive.task add column asked_at timestamptz;
comment on column hive.task.asked_at is
  'While it is blocked or parked: since when it waits for the answer to its last question, if it does.';

create table hive.question (
  task_id bigint not null,
  number integer not null,
  question text not null,
  options text[] not null default '{}',
  asked_at timestamptz not null default clock_timestamp(),
  answer text,
  answered_at timestamptz,
  answered_by text,
  primary key (task_id, number),
  constraint a_question_has_at_most_10000_characters check (length(question) <= 10000),
  constraint an_answer_has_1_to_30000_characters check (length(answer) between 1 and 30000),
  constraint an_answer_says_when_and_by_whom
    check (num_nonnulls(answer, answered_at, answered_by) in (0, 3))
);
comment on table hive.question is
  'What tasks have asked, and what they were answered. A task that waits for an answer waits for that of its last one.';
create index question_open on hive.question (task_id) where answer is null;

drop policy if exists submitters_call_off_and_retry on hive.task;
alter type hive.outcome rename to outcome_before;
create type hive.outcome as enum
  ('succeeded', 'failed', 'timed_out', 'cancelled', 'released', 'lost', 'budget');
alter table hive.task alter column outcome type hive.outcome using outcome::text::hive.outcome;
alter table hive.attempt alter column outcome type hive.outcome using outcome::text::hive.outcome;
drop type hive.outcome_before;

alter type hive.event_type rename to event_type_before;
create type hive.event_type as enum
  ('queued', 'dispatched', 'started', 'succeeded', 'failed', 'cancelled', 'retried', 'released',
   'lost', 'cancel_requested', 'revived', 'unblocked', 'held_up', 'parked', 'unparked', 'asked');
alter table hive.event alter column type type hive.event_type using type::text::hive.event_type;
drop type hive.event_type_before;

create function hive.answer(task_id bigint, answer text, by_whom text default null, from_host text default null)
returns text language plpgsql set lock_timeout = '2s' as $$
declare
  task record;
  asked record;
  new_state hive.task_state;
begin
  select t.state, t.finished_at, t.asked_at, t.parked_at into task from hive.task t where t.id = answer.task_id for update;
  if not found then
    raise exception 'there is no task %', task_id using errcode = 'no_data_found';
  end if;
  if task.asked_at is null or task.finished_at is not null then
    raise exception 'task % asks nothing: it is %', task_id, task.state
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  select q.number, q.options into asked from hive.question q
  where q.task_id = answer.task_id order by q.number desc limit 1;
  if asked.options <> '{}' and answer.answer <> all(asked.options) then
    raise exception 'task % takes one of these answers: %, and not %',
        task_id, array_to_string(asked.options, ', '), quote_literal(left(answer.answer, 100))
      using errcode = 'check_violation';
  end if;
  if coalesce(length(answer.answer), 0) not between 1 and 30000 then
    raise exception 'an answer has 1 to 30,000 characters, not %', coalesce(length(answer.answer), 0)
      using errcode = 'check_violation';
  end if;
  update hive.question q
  set answer = answer.answer, answered_at = clock_timestamp(), answered_by = coalesce(by_whom, session_user)
  where q.task_id = answer.task_id and q.number = asked.number;
  update hive.task t
  set state = (case t.state when 'blocked' then 'queued' else t.state end)::hive.task_state,
      run_at = case t.state when 'blocked' then greatest(t.run_at, statement_timestamp()) else t.run_at end,
      asked_at = null, error = null
  where t.id = answer.task_id
  returning t.state into new_state;
  if new_state = 'queued' then
    insert into hive.event (type, task_id, reason) values ('unblocked', answer.task_id, 'answered');
    notify hive_queued;
  end if;
  perform hive.record_deed(by_whom, from_host, 'answer', answer.task_id::text,
    jsonb_build_object('question', asked.number, 'answer', left(answer.answer, 1000)));
  return new_state;
end
$$;
comment on function hive.answer is
  'Answer what a task asks; it is queued, or stays parked. Returns its state. Fails if it asks nothing, or takes only other answers.';

-- As before; but who asks a person waits for nobody else.
create or replace function hive.come_after() returns trigger language plpgsql as $$
declare
  circle bigint[];
begin
  if new.parent_id >= new.child_id then
    circle := hive.circle(new.child_id, new.parent_id);
    if circle is not null then
      raise exception 'tasks would wait for one another in a circle: %', array_to_string(circle, ' after ')
        using errcode = 'check_violation';
    end if;
    raise exception 'task % cannot come after task %: a task comes only after tasks with smaller ids',
        new.child_id, new.parent_id
      using errcode = 'check_violation';
  end if;
  if hive.hold_parents(array[new.parent_id]) <> '{}' then
    raise exception 'there is no task %, which task % is to come after', new.parent_id, new.child_id
      using errcode = 'foreign_key_violation';
  end if;
  update hive.task
  set state = (case when state = 'scheduled' then 'scheduled' else 'blocked' end)::hive.task_state, is_gated = true,
      waits_for_limit = null
  where id = new.child_id and state in ('blocked', 'scheduled', 'queued') and has_turn is not true
    and asked_at is null;
  if not found then
    raise exception 'task % is not there, or waits no more: it cannot be made to come after task %',
        new.child_id, new.parent_id
      using errcode = 'foreign_key_violation';
  end if;
  new.is_open := true;
  insert into hive.dependency_wake (child_id) values (new.child_id);
  return new;
end
$$;

-- As before; but who still asks waits for the answer again.
create or replace function hive.unpark(task_ids bigint[], by_whom text default null, from_host text default null)
returns table (task_id bigint, new_state text) language plpgsql as $$
declare
  freed bigint[];
  states text[];
begin
  with parked as materialized (
    select t.id
    from hive.task t
    where t.id = any(task_ids) and t.state = 'scheduled' and t.parked_at is not null
    order by t.id
    for update skip locked
  ),
  changed as (
    update hive.task t
    set state = (case when t.parked_run_at > statement_timestamp() then 'scheduled'
                      when t.has_turn is false or t.is_gated or t.asked_at is not null then 'blocked'
                      else 'queued' end)::hive.task_state,
        run_at = greatest(t.parked_run_at, statement_timestamp()),
        parked_at = null, parked_reason = null, parked_run_at = null
    from parked p
    where t.id = p.id
    returning t.id, t.key, t.state
  ),
  woken as (
    insert into hive.key_wake (key) select distinct c.key from changed c where c.key is not null and c.state = 'blocked'
  ),
  told as (
    insert into hive.event (type, task_ids)
    select 'unparked', array_agg(c.id order by c.id) from changed c having count(*) > 0
  )
  select coalesce(array_agg(c.id order by c.id), '{}'), array_agg(c.state::text order by c.id) into freed, states
  from changed c;
  if cardinality(freed) > 0 then
    perform hive.record_deed(by_whom, from_host, 'unpark', hive.some_tasks(freed), '{}');
    notify hive_queued;
  end if;
  return query select * from unnest(freed, states);
end
$$;
