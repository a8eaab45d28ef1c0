"""The timeline of `hive show`: what happened, when, for how long, where and why."""

import re

import pytest

from hive.looking.portraying import next_steps
from hive.looking.timeline import MOST_LINES, WORDS, shortened
from hive_contracts.events import EventType
from hive_contracts.ids import TaskId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import Move, TaskState
from hive_store.worker_store import Ending, LeasedTask
from hive_testkit.desk import Desk
from hive_testkit.ground import LEASE, Ground

REGISTER = (
    "insert into hive.worker (id, host, pid, version, queues, slots)"
    " select distinct worker_id, 'box', 7, '1', '{default}'::text[], 1 from hive.attempt"
    " where worker_id is not null on conflict do nothing"
)


def ending(held: LeasedTask, move: Move, outcome: OutcomeName, error: str | None = None) -> Ending:
    return Ending(
        task_id=held.task.id,
        lease_id=held.task.lease_id,
        move=move,
        outcome=outcome,
        error=error,
        backoff_seconds=0,
    )


async def lease_again(ground: Ground) -> LeasedTask:
    await ground.queen.sweep_due(batch_size=10)
    bundle = await ground.claim(1)
    await ground.worker.accept([bundle.lease_id], lease=LEASE)
    [held] = await ground.worker.read([bundle.lease_id])
    return held


def shown_timeline(desk: Desk, task_id: TaskId, *flags: str) -> list[str]:
    """The timeline's words, without its moments."""
    lines = desk("show", str(task_id), *flags).stdout.splitlines()
    assert flags or max(map(len, lines)) <= 80
    told = lines[lines.index("timeline") + 1 : -2]
    return [re.sub(r"\d+(\.\d+)? s\b", "T", line[2 + 14 + 2 :]).strip() for line in told]


def test_a_life_is_told_with_its_places_durations_and_reasons(desk: Desk) -> None:
    async def live(ground: Ground) -> TaskId:
        [held] = await ground.lease(1, max_attempts=2, group="g")
        task_id = held.task.id
        await ground.worker.start([(task_id, held.task.lease_id)])
        retry = ending(held, Move.RETRY, OutcomeName.TIMED_OUT, "too\nlong")
        await ground.worker.finish([retry])
        held = await lease_again(ground)
        await ground.worker.finish([ending(held, Move.RELEASE, OutcomeName.RELEASED, "draining")])
        held = await lease_again(ground)
        await ground.worker.finish([ending(held, Move.FAIL, OutcomeName.FAILED, "no")])
        await ground.tasks.revive([task_id])
        await ground.tasks.cancel([task_id])
        return task_id

    task_id = desk.do(live)
    desk.sql(REGISTER)
    assert shown_timeline(desk, task_id) == [
        "submitted",
        "+T  leased",
        "+T  attempt 1 started on box, process 7",
        "+T  attempt 1 failed after T, is retried (too long)",
        "+T  leased",
        "+T  attempt 2 given back on box, process 7 (draining)",
        "+T  leased",
        "+T  attempt 2 failed on box, process 7 (no)",
        "+T  queued once more, by hand",
        "+T  cancelled",
    ]
    shown = desk("show", str(task_id)).stdout
    assert "\ngroup     g\n" in shown
    assert shown.endswith(f"\nnext: hive logs {task_id} | hive retry {task_id}\n")


def test_a_loss_and_a_request_to_stop_are_told(desk: Desk) -> None:
    async def lose(ground: Ground) -> TaskId:
        [held] = await ground.lease(1, max_losses=5)
        await ground.worker.start([(held.task.id, held.task.lease_id)])
        return held.task.id

    task_id = desk.do(lose)
    desk.sql("update hive.lease set expires_at = now() - interval '1 s'")
    desk.do(lambda ground: ground.queen.reap(batch_size=10))
    desk.sql(REGISTER)
    desk.do(lease_again)
    desk("cancel", str(task_id))
    told = shown_timeline(desk, task_id, "--full")
    assert told[2] == "+T  attempt 1 started on box, process 7"
    assert told[3].startswith("+T  attempt 1 lost after T (")
    assert told[4:] == ["+T  leased", "+T  asked to stop"]


@pytest.mark.usefixtures("eighty_columns")
def test_of_a_task_older_than_the_log_the_rest_is_told(desk: Desk) -> None:
    async def live(ground: Ground) -> TaskId:
        [held] = await ground.lease(1, max_attempts=2)
        await ground.worker.start([(held.task.id, held.task.lease_id)])
        await ground.worker.finish([ending(held, Move.RETRY, OutcomeName.FAILED, "first")])
        return held.task.id

    task_id = desk.do(live)
    desk.sql("delete from hive.event")

    async def end(ground: Ground) -> None:
        held = await lease_again(ground)
        await ground.worker.finish([ending(held, Move.SUCCEED, OutcomeName.SUCCEEDED)])

    desk.do(end)
    told = shown_timeline(desk, task_id)
    assert told[:2] == ["submitted", "+T  leased"]
    assert re.fullmatch(r"\+T  attempt 2 succeeded on forgotten worker \S+.*", told[2])


def test_a_long_timeline_is_cut_in_its_middle_and_full_shows_all(desk: Desk) -> None:
    [task_id] = desk.submit()
    desk.sql(
        "insert into hive.event (type, task_id, attempt)"
        " select 'started', $1, g from generate_series(1, 60) g",
        task_id,
    )
    told = shown_timeline(desk, task_id)
    assert len(told) == MOST_LINES
    lines = desk("show", str(task_id)).stdout.splitlines()
    assert f"  ... 32 more: hive show {task_id} --full" in lines
    assert len(shown_timeline(desk, task_id, "--full")) == 61


def test_what_is_not_long_is_not_cut() -> None:
    lines = [str(number) for number in range(MOST_LINES)]
    assert shortened(lines, "more") == lines


@pytest.mark.parametrize("kind", list(EventType))
def test_every_type_of_event_has_its_words(kind: EventType) -> None:
    assert WORDS[kind].format(attempt="", after="")


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (TaskState.SCHEDULED, "hive cancel 7"),
        (TaskState.QUEUED, "hive cancel 7"),
        (TaskState.DISPATCHED, "hive logs -f 7 | hive cancel 7"),
        (TaskState.RUNNING, "hive logs -f 7 | hive cancel 7"),
        (TaskState.SUCCEEDED, "hive logs 7"),
        (TaskState.FAILED, "hive logs 7 | hive retry 7"),
        (TaskState.CANCELLED, "hive logs 7 | hive retry 7"),
    ],
)
def test_what_to_type_next_suits_the_state(state: TaskState, steps: str) -> None:
    assert next_steps(TaskId(7), state) == steps
