"""Any order of moves, by any number of forgetful workers, leaves the store where the model says.

Workers keep every lease that was ever given, and use it again at any time. Whatever they try, the
tasks, the leases, the history and the log are what the model of `hive_testkit.task_model` says.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, ClassVar, Final, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hive_contracts.errors import UsageError
from hive_contracts.execution import Stream
from hive_contracts.ids import LeaseId, QueenId, TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TERMINAL_STATES, Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import HOT_SETTINGS, HeartbeatStore, Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.deeds import Actor
from hive_store.worker_store import Ending, Piece
from hive_testkit.task_model import LEASE_SECONDS, ModelLease, ModelStore, ModelTask
from hive_testkit.timing import pass_time

ResultT = TypeVar("ResultT")

LEASE: Final = timedelta(seconds=LEASE_SECONDS)
ENDINGS: Final = [
    (Move.SUCCEED, OutcomeName.SUCCEEDED),
    (Move.FAIL, OutcomeName.FAILED),
    (Move.RETRY, OutcomeName.FAILED),
    (Move.RETRY, OutcomeName.TIMED_OUT),
    (Move.RELEASE, OutcomeName.RELEASED),
    (Move.POSTPONE, OutcomeName.RELEASED),
    (Move.CANCEL, OutcomeName.CANCELLED),
]
ADA: Final = Actor("ada", "desk")
CLOCK_SLACK_SECONDS: Final = 9
"""The model's time moves in steps of ten; what really passes in an example is less."""

numbers = st.integers(0, 10_000)
who = st.integers(0, 1)
members = st.tuples(numbers, numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is opened once, for all examples."""

    runner: asyncio.Runner
    connection: Any
    queens: Sequence[QueenStore]
    workers: Sequence[WorkerStore]
    heartbeats: Sequence[HeartbeatStore]
    tasks: TaskStore

    def do(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self.runner.run(coroutine)


class StoreMachine(RuleBasedStateMachine):
    world: ClassVar[World]

    @initialize(max_losses=st.integers(0, 2), bundle_size=st.integers(1, 4))
    def begin(self, max_losses: int, bundle_size: int) -> None:
        self.do = self.world.do
        self.do(
            self.world.connection.execute(
                "truncate hive.task, hive.lease, hive.attempt, hive.event, hive.output, hive.audit"
                " restart identity"
            )
        )
        self.model = ModelStore()
        self.watermarks = Watermarks()
        self.endings: list[Ending] = []
        self.submit([0, 0, 0, 0, 1, 1, 2], None, max_losses)
        self.claim(0, (4, bundle_size, 1), 0)
        self.claim(1, (2, bundle_size, 1), None)

    def fetch(self, sql: str) -> list[asyncpg.Record]:
        return self.do(self.world.connection.fetch(sql))

    def lease_at(self, number: int) -> ModelLease:
        return list(self.model.leases.values())[number % len(self.model.leases)]

    def task_at(self, number: int) -> ModelTask:
        return self.model.tasks[TaskId(number % len(self.model.tasks) + 1)]

    def pair_at(self, member: tuple[int, int]) -> tuple[TaskId, LeaseId]:
        lease = self.lease_at(member[0])
        return lease.members[member[1] % len(lease.members)], lease.id

    @rule(
        priorities=st.lists(st.integers(0, 2), min_size=1, max_size=4),
        delay=st.sampled_from([None, None, None, -30, 20, 70]),
        max_losses=st.integers(0, 2),
    )
    def submit(self, priorities: list[int], delay: int | None, max_losses: int) -> None:
        moment = datetime.now(UTC) + timedelta(seconds=delay or 0)
        run_at = None if delay is None else moment
        new = [
            NewTask(kind="call", priority=priority, run_at=run_at, max_losses=max_losses)
            for priority in priorities
        ]
        for task, i in zip(new, self.do(self.world.tasks.submit(new)), strict=True):
            self.model.tasks[i] = ModelTask(
                id=i,
                state=TaskState.SCHEDULED if (delay or 0) > 0 else TaskState.QUEUED,
                priority=task.priority,
                due=self.model.now + (delay or 0),
                run_at=moment,
                max_losses=max_losses,
            )

    @rule(
        queen=who,
        sizes=st.tuples(st.integers(1, 8), st.integers(1, 4), st.integers(0, 3)),
        worker=st.sampled_from([None, 0, 0, 1]),
    )
    def claim(self, queen: int, sizes: tuple[int, int, int], worker: int | None) -> None:
        limit, bundle_size, workers = sizes
        chosen = self.model.choose(self.watermarks.intervals(), limit=limit)
        claimed = self.do(
            self.world.queens[queen].claim(
                "default",
                limit=limit,
                lease=LEASE,
                bundle_size=bundle_size,
                worker_count=workers,
                watermarks=self.watermarks,
            )
        )
        leases = {row["id"]: row["task_ids"] for row in self.fetch("select * from hive.lease")}
        fresh = {i: ids for i, ids in leases.items() if i not in self.model.leases}
        expected = self.model.bundle(chosen, bundle_size=bundle_size, workers=workers)
        assert sorted(fresh.values()) == expected
        assert {bundle.lease_id for bundle in claimed} == set(fresh)
        assert sum(bundle.size for bundle in claimed) == len(chosen)
        for lease_id, ids in fresh.items():
            lease = self.model.grant(lease_id, ids, queen=queen)
            if worker is not None:
                self.accept_lease(lease, worker)

    @rule(count=st.integers(1, 4), max_losses=st.integers(0, 2), worker=who)
    def submit_and_claim(self, count: int, max_losses: int, worker: int) -> None:
        """What is ordinary in life, made so here: a bundle of several, in a worker's hands."""
        self.submit([0] * count, None, max_losses)
        self.watermarks.forget()
        self.claim(worker, (8, 4, 1), worker)

    @rule()
    def forget_watermarks(self) -> None:
        self.watermarks.forget()

    @rule(number=numbers, worker=who)
    def accept(self, number: int, worker: int) -> None:
        self.accept_lease(self.lease_at(number), worker)

    def accept_lease(self, lease: ModelLease, worker: int) -> None:
        granted = self.do(self.world.workers[worker].accept([lease.id], lease=LEASE))
        expected = [lease.id] if self.model.accept(lease, worker=worker) else []
        assert [accepted.lease_id for accepted in granted] == expected
        assert all(accepted.open == len(self.model.held(lease)) for accepted in granted)

    @rule(number=numbers, worker=who)
    def read(self, number: int, worker: int) -> None:
        lease = self.lease_at(number)
        read = self.do(self.world.workers[worker].read([lease.id]))
        is_mine = lease.is_there and lease.worker == worker
        assert [
            (
                *(r.task.id, r.task.attempt, r.task.failures, r.task.given_back),
                *(r.task.writes_start, r.is_cancelled),
            )
            for r in read
        ] == [
            (
                *(t.id, t.attempt, t.failures, t.given_back),
                *(t.goes_alone or t.max_losses == 0, t.is_called_off),
            )
            for t in (self.model.held(lease) if is_mine else ())
        ]

    @rule(number=numbers)
    def start_all(self, number: int) -> None:
        lease = self.lease_at(number)
        pairs = [(i, lease.id) for i in lease.members]
        assert self.do(self.world.workers[0].start(pairs)).begun == self.model.start(pairs)

    @rule(chosen=st.lists(members, min_size=1, max_size=3))
    def start(self, chosen: list[tuple[int, int]]) -> None:
        pairs = sorted({self.pair_at(member) for member in chosen})
        assert self.do(self.world.workers[0].start(pairs)).begun == self.model.start(pairs)

    @rule(
        chosen=st.lists(
            st.tuples(members, st.sampled_from(ENDINGS), st.sampled_from([0, 40, None])),
            min_size=1,
            max_size=5,
        )
    )
    def finish(
        self, chosen: list[tuple[tuple[int, int], tuple[Move, OutcomeName], int | None]]
    ) -> None:
        self.endings = []
        for member, (move, outcome), backoff in chosen:
            task_id, lease_id = self.pair_at(member)
            self.endings.append(
                Ending(
                    task_id=task_id,
                    lease_id=lease_id,
                    move=move,
                    outcome=outcome,
                    backoff_seconds=backoff,
                )
            )
        self.write_endings()

    @precondition(lambda self: self.endings)
    @rule()
    def repeat_the_last_finish(self) -> None:
        """Its reply was lost; or it is somebody who has slept for long."""
        self.write_endings()

    def write_endings(self) -> None:
        repeated = self.model.repeated(self.endings)
        finished = self.do(self.world.workers[0].finish(self.endings))
        written = self.model.finish(self.endings)
        told = {(task_id, row.lease_id): row for row in finished for task_id in row.task_ids}
        assert len(told) == sum(len(row.task_ids) for row in finished)
        assert told.keys() == written.keys() | repeated
        for key, expected in written.items():
            assert (told[key].state, told[key].attempt) == expected
            assert told[key].open == len(self.model.held(self.model.leases[key[1]]))
        for key in repeated - written.keys():
            assert (told[key].queen_id, told[key].open) == (None, None)

    @rule(
        chosen=st.dictionaries(numbers, numbers, min_size=1, max_size=3),
        seconds=st.sampled_from([None, 0, 20, 40]),
        move=st.sampled_from([Move.PARK, Move.ASK]),
    )
    def set_aside(self, chosen: dict[int, int], seconds: int | None, move: Move) -> None:
        """What runs asks to be set aside, or a person; some who have lost their lease do too."""
        pairs = dict(map(self.pair_at, chosen.items()))
        endings = [
            Ending(
                task_id=task_id,
                lease_id=lease_id,
                move=move,
                outcome=OutcomeName.RELEASED,
                # Told from what was written before by its reason, of which none comes twice.
                error=str(uuid4()),
                backoff_seconds=seconds,
            )
            for task_id, lease_id in pairs.items()
        ]
        repeated = self.model.repeated_parks(endings)
        finished = self.do(self.world.workers[0].finish(endings))
        written = self.model.set_aside(endings)
        told = {(task_id, row.lease_id): row for row in finished for task_id in row.task_ids}
        assert told.keys() == written.keys() | repeated
        for key, expected in written.items():
            assert (told[key].state, told[key].attempt) == expected

    @rule(number=numbers, seconds=st.sampled_from([None, 20, 40]))
    def park(self, number: int, seconds: int | None) -> None:
        task = self.task_at(number)
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        asked = self.world.tasks.park([task.id], until=until, reason=None, by=ADA)
        parked = self.do(asked)
        assert parked == ([task.id] if self.model.park(task, seconds=seconds) else [])

    @rule(number=numbers)
    def unpark(self, number: int) -> None:
        parked = [task for task in self.model.tasks.values() if task.is_parked]
        task = parked[number % len(parked)] if parked else self.task_at(number)
        answer = self.do(self.world.tasks.unpark([task.id], by=ADA))
        assert answer == ({task.id: task.state} if self.model.unpark(task) else {})

    @rule(number=numbers)
    def answer(self, number: int) -> None:
        asking = [task for task in self.model.tasks.values() if task.is_asking]
        task = asking[number % len(asking)] if asking else self.task_at(number)
        try:
            state = self.do(self.world.tasks.answer(task.id, "yes", by=ADA))
        except UsageError:
            state = None
        assert state == (task.state if self.model.answer(task) else None)

    @rule(queen=who, number=numbers)
    def take_back(self, queen: int, number: int) -> None:
        unsent = [t for t in self.model.leases.values() if t.is_there and t.worker is None]
        lease = unsent[number % len(unsent)] if unsent else self.lease_at(number)
        queued = self.do(self.world.queens[queen].release([lease.id], reason="it was not sent"))
        assert queued == self.model.take_back(lease, queen=queen)

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        task = self.task_at(number)
        answer = self.do(self.world.tasks.cancel([task.id]))
        assert answer == ({task.id: task.state} if self.model.cancel(task) else {})

    @rule(number=numbers)
    def revive(self, number: int) -> None:
        task = self.task_at(number)
        revived = self.do(self.world.tasks.revive([task.id]))
        assert revived == ([task.id] if self.model.revive(task) else [])

    @rule(worker=who, chosen=st.lists(numbers, min_size=1, max_size=4))
    def renew(self, worker: int, chosen: list[int]) -> None:
        named = [self.lease_at(number) for number in chosen]
        ids = [lease.id for lease in named]
        renewed = self.do(self.world.heartbeats[worker].renew(ids, lease=LEASE))
        assert renewed == self.model.renew(named, worker=worker)

    @rule(seconds=st.sampled_from([10, 30, 60]))
    def pass_time(self, seconds: int) -> None:
        self.model.now += seconds
        # Marks name moments, which have moved; and a second has passed, after which they go.
        self.watermarks.forget()
        self.do(pass_time(self.world.connection, seconds))

    @rule(seconds=st.sampled_from([0, 30, 60, 60]), batch_size=st.sampled_from([1, 100, 100]))
    def reap(self, seconds: int, batch_size: int) -> None:
        self.pass_time(seconds)
        lapsed = self.model.lapsed()
        reaped = self.do(self.world.queens[0].reap(batch_size=batch_size))
        gone = {row.lease_id for row in reaped}
        assert gone <= lapsed
        assert len(gone) == min(batch_size, len(lapsed))
        told = {row.id: (row.state, row.outcome, row.attempt) for row in reaped}
        assert told == self.model.reap(gone)

    @rule()
    def sweep(self) -> None:
        swept = self.do(self.world.queens[1].sweep_due(batch_size=1000))
        assert swept.count == self.model.sweep()
        dues = [t.due for t in self.model.in_state(TaskState.SCHEDULED)]
        waits = [due - self.model.now for due in dues if isfinite(due)]
        assert (swept.next_seconds is None) is (not waits)
        if swept.next_seconds is not None:
            assert min(waits) - CLOCK_SLACK_SECONDS < swept.next_seconds <= min(waits)

    @rule(member=members)
    def append_output(self, member: tuple[int, int]) -> None:
        task_id, lease_id = self.pair_at(member)
        sql = "select coalesce(max(position) + 1, 0) as next from hive.output"
        [before] = self.fetch(sql)
        piece = Piece(
            task_id=task_id,
            lease_id=lease_id,
            stream=Stream.STDOUT,
            position=before["next"],
            data=b"x",
        )
        self.do(self.world.workers[0].append_output([piece]))
        [after] = self.fetch(sql)
        is_kept = self.model.tasks[task_id].lease == lease_id
        assert after["next"] == before["next"] + is_kept

    @invariant()
    def the_tasks_are_as_the_model_says(self) -> None:
        rows = self.fetch("select * from hive.task")
        for row in rows:
            self.model.tasks[row["id"]].run_at = row["run_at"]
        told = [
            (
                *(row[name] for name in ("id", "state", "claims", "given_back", "failures")),
                *(row[name] for name in ("losses", "lease_id", "ended_lease", "outcome")),
                row["goes_alone"],
                row["cancel_requested_at"] is not None,
                row["finished_at"] is not None,
                row["state"] == TaskState.SCHEDULED and row["parked_at"] is not None,
                row["asked_at"] is not None and row["finished_at"] is None,
            )
            for row in sorted(rows, key=lambda row: row["id"])
        ]
        assert told == [
            (
                *(t.id, t.state, t.claims, t.given_back, t.failures),
                *(t.losses, t.lease, t.ended_lease, t.outcome),
                t.goes_alone,
                t.is_called_off,
                t.state in TERMINAL_STATES,
                t.state is TaskState.SCHEDULED and t.is_parked,
                t.is_asking and t.state not in TERMINAL_STATES,
            )
            for t in self.model.tasks.values()
        ]

    @invariant()
    def the_leases_are_as_the_model_says(self) -> None:
        rows = self.fetch("select id, open, worker_id from hive.lease")
        workers = [worker.worker_id for worker in self.world.workers]
        assert {row["id"]: (row["open"], row["worker_id"]) for row in rows} == {
            lease.id: (
                len(self.model.held(lease)),
                None if lease.worker is None else workers[lease.worker],
            )
            for lease in self.model.leases.values()
            if lease.is_there
        }
        assert self.do(self.world.tasks.count_orphans()) == 0

    def teardown(self) -> None:
        """History and log grow only, so that they are compared once, at the end."""
        attempts = self.fetch("select task_id, claim, attempt, outcome from hive.attempt")
        tasks = self.model.tasks.values()
        assert {tuple(row) for row in attempts} == {
            (task.id, claim, *ended) for task in tasks for claim, ended in task.history.items()
        }
        ends = self.fetch(
            "select told.id, count(*)::integer from hive.event e"
            " cross join lateral unnest(coalesce(e.task_ids, array[e.task_id])) told (id)"
            " where type in ('succeeded', 'failed', 'cancelled') group by told.id"
        )
        assert {row[0]: row[1] for row in ends} == {t.id: t.ends for t in tasks if t.ends}


def open_world(database_url: str, runner: asyncio.Runner, stack: AsyncExitStack) -> World:
    def line() -> Line:
        opened = Line(database_url, settings=HOT_SETTINGS)
        stack.push_async_callback(opened.close)
        return opened

    workers = [WorkerStore(WorkerId(uuid4()), accepts=line(), finishes=line()) for _ in range(2)]
    connection = runner.run(asyncpg.connect(database_url))
    stack.push_async_callback(connection.close)
    return World(
        runner=runner,
        connection=connection,
        queens=[QueenStore(QueenId(uuid4()), claims=line(), upkeep=line()) for _ in range(2)],
        workers=workers,
        heartbeats=[HeartbeatStore(worker.worker_id, line()) for worker in workers],
        tasks=TaskStore(line()),
    )


@pytest.mark.timeout(600)
def test_the_store_follows_the_model(database_url: str) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stack = AsyncExitStack()
        try:
            world = open_world(database_url, runner, stack)
            run_state_machine_as_test(
                type("Machine", (StoreMachine,), {"world": world}),
                settings=settings(max_examples=3 * settings().max_examples, stateful_step_count=40),
            )
        finally:
            runner.run(stack.aclose())
