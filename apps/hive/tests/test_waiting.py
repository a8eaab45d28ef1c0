"""The words for why a task waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hive.tasks.waiting import reason_to_wait
from hive.words import counted
from hive_contracts.ids import TaskId, WorkerId
from hive_contracts.states import TaskState
from hive_contracts.tasks import TaskRecord
from hive_store.fleet_store import SeenWorker
from hive_store.onlooker import MOST_AHEAD, Situation

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def record(state: TaskState, *, failures: int = 0, run_at: datetime = NOW) -> TaskRecord:
    return TaskRecord(
        id=TaskId(1), kind="call", queue="default", payload={}, group=None, priority=0,
        state=state, attempt=1, failures=failures, max_attempts=3, losses=0, max_losses=3,
        timeout=None, created_at=NOW,
        run_at=run_at, started_at=None, finished_at=None, cancel_requested_at=None, lease_id=None,
        lease_expires_at=None, worker_id=None, worker_host=None, worker_pid=None, result=None,
        error=None,
    )  # fmt: skip


def situation(*, ahead: int = 0, queens: int = 1) -> Situation:
    return Situation(
        now=NOW, state=TaskState.QUEUED, claim=0, attempt=0, ahead=ahead, unheard_seconds=None,
        queens=queens,
    )  # fmt: skip


def worker(*, slots: int, held: int) -> SeenWorker:
    return SeenWorker(
        id=WorkerId(uuid4()), host="here", pid=1, version="1", queues=("default",), slots=slots,
        held=held, is_draining=False, started_at=NOW, unseen_seconds=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ahead", "workers", "reason"),
    [
        (0, [(1, 1)], "it is next in line; 1 worker with 1 slot serves queue 'default' and holds"
            " 1 task"),
        (1, [(4, 0)], "1 task goes before it; 1 worker with 4 slots serves queue 'default' and"
            " holds 0 tasks"),
        (2, [(4, 3), (4, 4)], "2 tasks go before it; 2 workers with 8 slots serve queue 'default'"
            " and hold 7 tasks"),
        (MOST_AHEAD, [(1, 1)], "10,000 or more tasks go before it; 1 worker with 1 slot serves"
            " queue 'default' and holds 1 task"),
        (0, [], "no worker serves queue 'default'; start one with `hive worker default`"),
    ],
)  # fmt: skip
def test_one_is_one_and_many_are_many(
    ahead: int, workers: list[tuple[int, int]], reason: str
) -> None:
    serving = [worker(slots=slots, held=held) for slots, held in workers]
    assert reason_to_wait(record(TaskState.QUEUED), situation(ahead=ahead), serving) == reason


def test_without_a_queen_that_is_what_it_waits_for() -> None:
    found = reason_to_wait(record(TaskState.QUEUED), situation(queens=0), [worker(slots=1, held=0)])
    assert found == "no queen hands out work; start one with `hive queen`"


@pytest.mark.parametrize(("failures", "words"), [(1, "after 1 failure in"), (2, "2 failures in")])
def test_a_task_that_waits_out_a_pause_says_after_how_many_failures(
    failures: int, words: str
) -> None:
    later = record(TaskState.SCHEDULED, failures=failures, run_at=NOW + timedelta(seconds=90))
    assert words in str(reason_to_wait(later, situation(), []))


@pytest.mark.parametrize(
    ("budget", "which"),
    [
        ("group:my;group", "--group 'my;group'"),
        ("queue:agents/day", "--queue agents --daily"),
        ("all", "--all"),
    ],
)
def test_a_task_that_a_budget_has_set_aside_says_how_to_raise_it(budget: str, which: str) -> None:
    reason = f"budget {budget} is used up: 5.00 USD of 5.00 USD"
    aside = replace(record(TaskState.SCHEDULED), parked_reason=reason)
    told = str(reason_to_wait(aside, situation(), []))
    assert reason in told
    assert f"`hive budget set {which} AMOUNT` with more, or `hive budget remove {which}`" in told
    assert "unpark" not in told


def test_what_runs_or_has_ended_waits_for_nothing() -> None:
    for state in (TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED):
        assert reason_to_wait(record(state), situation(), []) is None


def test_numbers_are_told_with_their_nouns() -> None:
    assert counted(1, "loss", "losses") == "1 loss"
    assert counted(0, "loss", "losses") == "0 losses"
    assert counted(12_000, "task") == "12,000 tasks"


@pytest.mark.parametrize(
    ("parents", "queens", "reason"),
    [
        (1, 1, "task 12 (running), which it comes after"),
        (4, 1, "task 12 (running) and 3 others, which it comes after"),
        (0, 1, "what it comes after has ended, and it is about to go on"),
        (1, 0, "no queen lets go on what waits for other tasks; start one with `hive queen`"),
    ],
)
def test_a_task_that_comes_after_others_says_which(parents: int, queens: int, reason: str) -> None:
    waiting = replace(record(TaskState.BLOCKED), is_gated=True)
    around = replace(
        situation(queens=queens),
        parents=parents,
        parent_id=TaskId(12) if parents else None,
        parent_state=TaskState.RUNNING if parents else None,
    )
    assert reason_to_wait(waiting, around, []) == reason
