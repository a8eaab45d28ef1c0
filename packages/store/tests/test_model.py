"""Any order of moves, by any number of forgetful workers, leaves the store where the table says.

The model is a dictionary. Workers keep every lease that was ever given and use it again at any
time; whatever they try, tasks, leases, history and log are what the model says.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import ceil
from typing import Any, ClassVar, Final, TypeVar
from uuid import uuid4

import asyncpg
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

from hive_contracts.ids import LeaseId, QueenId, TaskId, WorkerId
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import MOVES, TERMINAL_STATES, Move, TaskState
from hive_contracts.tasks import NewTask
from hive_store import HOT_SETTINGS, HeartbeatStore, Line, QueenStore, TaskStore, WorkerStore
from hive_store.claiming import Watermarks
from hive_store.worker_store import Ending
from hive_testkit.task_model import ModelLease, ModelTask
from hive_testkit.timing import pass_time

ResultT = TypeVar("ResultT")

LEASE: Final = timedelta(seconds=60)
ENDINGS: Final = [
    (Move.SUCCEED, OutcomeName.SUCCEEDED),
    (Move.FAIL, OutcomeName.FAILED),
    (Move.RETRY, OutcomeName.FAILED),
    (Move.RETRY, OutcomeName.TIMED_OUT),
    (Move.RELEASE, OutcomeName.RELEASED),
    (Move.CANCEL, OutcomeName.CANCELLED),
]

numbers = st.integers(0, 10_000)
who = st.integers(0, 1)
picks = st.tuples(numbers, numbers, st.sampled_from(ENDINGS), st.sampled_from([0, 40]))


@dataclass
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

    @initialize(count=st.integers(2, 6), max_losses=st.integers(0, 2))
    def begin(self, count: int, max_losses: int) -> None:
        self.do = self.world.do
        self.do(
            self.world.connection.execute(
                "truncate hive.task, hive.lease, hive.attempt, hive.event, hive.output"
                " restart identity"
            )
        )
        self.now = 0
        self.model: dict[TaskId, ModelTask] = {}
        self.leases: dict[LeaseId, ModelLease] = {}
        self.watermarks = Watermarks()
        self.last_endings: list[Ending] = []
        self.submit([i % 3 for i in range(count)], None, max_losses)

    def lease_at(self, number: int) -> ModelLease:
        return list(self.leases.values())[number % len(self.leases)]

    def held(self, lease: ModelLease) -> list[ModelTask]:
        return [self.model[i] for i in lease.members if self.model[i].lease == lease.id]

    def drop_if_empty(self, lease_id: LeaseId) -> None:
        lease = self.leases[lease_id]
        lease.is_there = lease.is_there and bool(self.held(lease))

    @rule(
        priorities=st.lists(st.integers(0, 2), min_size=1, max_size=4),
        delay=st.sampled_from([None, None, None, -30, 20, 70]),
        max_losses=st.integers(0, 2),
    )
    def submit(self, priorities: list[int], delay: int | None, max_losses: int) -> None:
        moment = datetime.now(UTC) + timedelta(seconds=delay or 0)
        new = [
            NewTask(
                kind="call",
                priority=priority,
                run_at=None if delay is None else moment,
                max_losses=max_losses,
            )
            for priority in priorities
        ]
        is_later = delay is not None and delay > 0
        state = TaskState.SCHEDULED if is_later else TaskState.QUEUED
        for priority, i in zip(priorities, self.do(self.world.tasks.submit(new)), strict=True):
            due = self.now + (delay or 0)
            self.model[i] = ModelTask(
                id=i, state=state, priority=priority, due=due, max_losses=max_losses, run_at=moment
            )

    @rule(
        queen=who,
        limit=st.integers(1, 8),
        size=st.integers(1, 4),
        workers=st.integers(0, 3),
        is_fresh=st.booleans(),
        worker=st.sampled_from([None, 0, 0, 1]),
    )
    def claim(
        self,
        queen: int,
        limit: int,
        size: int,
        workers: int,
        is_fresh: bool,
        worker: int | None,
    ) -> None:
        if is_fresh:
            self.watermarks.forget()
        marks = self.watermarks.intervals()
        behind = {
            p: (r, i)
            for p, r, i in zip(
                marks.after_priorities, marks.after_run_ats, marks.after_ids, strict=True
            )
        }
        queued = [t for t in self.model.values() if t.state is TaskState.QUEUED]
        queued.sort(key=lambda t: (t.priority, t.run_at, t.id))
        chosen = [
            t for t in queued if t.priority not in behind or (t.run_at, t.id) > behind[t.priority]
        ][:limit]
        claimed = self.do(
            self.world.queens[queen].claim(
                "default",
                limit=limit,
                lease=LEASE,
                bundle_size=size,
                worker_count=workers,
                watermarks=self.watermarks,
            )
        )
        share = max(1, min(size, ceil(len(chosen) / max(1, workers))))
        expected = [[t.id for t in chosen if t.goes_alone and t.id == i] for i in self.model]
        for _, group in groupby(enumerate(chosen), key=lambda pair: pair[0] // share):
            expected.append([t.id for _, t in group if not t.goes_alone])
        rows = self.do(self.world.connection.fetch("select id, task_ids from hive.lease"))
        given = {r["id"]: r["task_ids"] for r in rows if r["id"] not in self.leases}
        assert sorted(given.values()) == sorted(bundle for bundle in expected if bundle)
        assert {b.lease_id for b in claimed} == set(given)
        assert sum(b.size for b in claimed) == len(chosen)
        for lease_id, members in given.items():
            self.leases[lease_id] = ModelLease(
                id=lease_id, queen=queen, members=members, expires=self.now + 60
            )
            for i in members:
                self.model[i].move(Move.CLAIM)
                self.model[i].claims += 1
                self.model[i].lease = lease_id
        for lease_id in given if worker is not None else ():
            self.accept_lease(self.leases[lease_id], worker or 0)

    @precondition(lambda self: self.leases)
    @rule(number=numbers, worker=who)
    def accept(self, number: int, worker: int) -> None:
        self.accept_lease(self.lease_at(number), worker)

    def accept_lease(self, lease: ModelLease, worker: int) -> None:
        granted = self.do(self.world.workers[worker].accept([lease.id], lease=LEASE))
        may = lease.is_there and lease.worker in {None, worker} and lease.expires > self.now
        assert [g.lease_id for g in granted] == ([lease.id] if may else [])
        if may:
            assert granted[0].open == len(self.held(lease))
            lease.worker, lease.expires = worker, self.now + 60

    @precondition(lambda self: self.leases)
    @rule(number=numbers, worker=who)
    def read(self, number: int, worker: int) -> None:
        lease = self.lease_at(number)
        read = self.do(self.world.workers[worker].read([lease.id]))
        mine = self.held(lease) if lease.is_there and lease.worker == worker else []
        assert [
            (r.task.id, r.task.attempt, r.task.failures, r.task.writes_start, r.is_cancelled)
            for r in read
        ] == [
            (t.id, t.attempt, t.failures, t.goes_alone or t.max_losses == 0, t.is_called_off)
            for t in mine
        ]

    @precondition(lambda self: self.leases)
    @rule(chosen=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=3, unique=True))
    def start(self, chosen: list[tuple[int, int]]) -> None:
        pairs: set[tuple[TaskId, LeaseId]] = set()
        for number, member in chosen:
            lease = self.lease_at(number)
            pairs.add((lease.members[member % len(lease.members)], lease.id))
        expected: set[TaskId] = set()
        for i, lease_id in pairs:
            task, lease = self.model[i], self.leases[lease_id]
            if task.lease == lease_id and lease.expires > self.now:
                expected.add(i)
                if task.state is TaskState.DISPATCHED:
                    task.move(Move.START)
        assert self.do(self.world.workers[0].start(list(pairs))) == expected

    @precondition(lambda self: self.leases)
    @rule(chosen=st.lists(picks, min_size=1, max_size=5))
    def finish(self, chosen: list[tuple[int, int, tuple[Move, OutcomeName], int]]) -> None:
        self.last_endings = []
        for number, member, (move, outcome), backoff in chosen:
            lease = self.lease_at(number)
            self.last_endings.append(
                Ending(
                    task_id=lease.members[member % len(lease.members)],
                    lease_id=lease.id,
                    move=move,
                    outcome=outcome,
                    backoff_seconds=backoff if move is Move.RETRY else None,
                )
            )
        self.write_last_endings()

    @precondition(lambda self: self.last_endings)
    @rule()
    def repeat_the_last_finish(self) -> None:
        """Its reply was lost; or it is somebody who has slept for long."""
        self.write_last_endings()

    def write_last_endings(self) -> None:
        firsts: dict[tuple[TaskId, LeaseId], Ending] = {}
        for ending in self.last_endings:
            firsts.setdefault((ending.task_id, ending.lease_id), ending)
        repeats = {
            key
            for key, e in firsts.items()
            if self.model[e.task_id].ended_lease == e.lease_id
            and self.model[e.task_id].outcome is e.outcome
        }
        ours = {key for key, e in firsts.items() if self.model[e.task_id].lease == e.lease_id}
        finished = self.do(self.world.workers[0].finish(self.last_endings))
        assert {(f.task_id, f.lease_id) for f in finished} == ours | repeats
        assert len(finished) == len(ours | repeats)
        for key in ours:
            task, ending = self.model[key[0]], firsts[key]
            task.failures += ending.move in {Move.RETRY, Move.FAIL}
            if ending.move is Move.RETRY:
                task.due = self.now + int(ending.backoff_seconds or 0)
            attempt = task.attempt
            task.end(ending.move, ending.outcome, is_given_back=ending.move is Move.RELEASE)
            self.drop_if_empty(ending.lease_id)
            [told] = [f for f in finished if (f.task_id, f.lease_id) == key]
            assert (told.state, told.attempt) == (task.state, attempt)
            assert told.queen_id is not None
        for told in finished:
            if (told.task_id, told.lease_id) in ours:
                assert told.open == len(self.held(self.leases[told.lease_id]))

    @precondition(lambda self: self.leases)
    @rule(queen=who, number=numbers)
    def take_back(self, queen: int, number: int) -> None:
        lease = self.lease_at(number)
        count = self.do(self.world.queens[queen].release([lease.id], reason="it was not sent"))
        queued = 0
        if lease.is_there and lease.queen == queen and lease.worker is None:
            for task in self.held(lease):
                outcome = OutcomeName.CANCELLED if task.is_called_off else OutcomeName.RELEASED
                task.end(Move.RELEASE, outcome, is_given_back=True)
                queued += task.state is TaskState.QUEUED
            lease.is_there = False
        assert count == queued

    @precondition(lambda self: self.model)
    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        task = self.model[TaskId(number % len(self.model) + 1)]
        answer = self.do(self.world.tasks.cancel([task.id]))
        if task.state in TERMINAL_STATES:
            assert answer == {}
            return
        task.is_called_off = True
        if task.lease is None:
            task.move(Move.CANCEL)
            task.outcome = OutcomeName.CANCELLED
        assert answer == {task.id: task.state}

    @precondition(lambda self: self.model)
    @rule(number=numbers)
    def revive(self, number: int) -> None:
        task = self.model[TaskId(number % len(self.model) + 1)]
        may = Move.REVIVE in MOVES[task.state]
        assert self.do(self.world.tasks.revive([task.id])) == ([task.id] if may else [])
        if may:
            task.revive(self.now)

    @precondition(lambda self: self.leases)
    @rule(worker=who, chosen=st.lists(numbers, min_size=1, max_size=4))
    def renew(self, worker: int, chosen: list[int]) -> None:
        named = [self.lease_at(number) for number in chosen]
        held = [lease for lease in named if lease.is_there and lease.worker == worker]
        renewed = self.world.heartbeats[worker].renew([lease.id for lease in named], lease=LEASE)
        assert self.do(renewed) == {lease.id for lease in held}
        for lease in held:
            lease.expires = self.now + 60

    @rule(seconds=st.sampled_from([10, 30, 60]))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.watermarks.forget()
        self.do(pass_time(self.world.connection, seconds))

    @precondition(lambda self: self.leases)
    @rule(batch_size=st.sampled_from([1, 100]))
    def reap(self, batch_size: int) -> None:
        lapsed = [t for t in self.leases.values() if t.is_there and t.expires <= self.now]
        reaped = self.do(self.world.queens[0].reap(batch_size=batch_size))
        gone = {row.lease_id for row in reaped}
        assert gone <= {lease.id for lease in lapsed}
        assert len(gone) == min(batch_size, len(lapsed))
        told = {row.id: (row.state, row.outcome, row.attempt) for row in reaped}
        expected: dict[TaskId, tuple[TaskState, OutcomeName, int]] = {}
        for lease in (self.leases[i] for i in gone):
            lease.is_there = False
            for task in self.held(lease):
                attempt = task.attempt
                task.lose(is_alone=len(lease.members) == 1)
                assert task.outcome is not None
                expected[task.id] = (task.state, task.outcome, attempt)
        assert told == expected

    @rule()
    def sweep(self) -> None:
        waiting = [t for t in self.model.values() if t.state is TaskState.SCHEDULED]
        due = [t for t in waiting if t.due <= self.now]
        swept = self.do(self.world.queens[1].sweep_due(batch_size=1000))
        assert swept.count == len(due)
        rest = [t.due - self.now for t in waiting if t.due > self.now]
        assert (swept.next_seconds is None) is (not rest)
        if rest and swept.next_seconds is not None:
            assert min(rest) - 9 < swept.next_seconds <= min(rest)
        for task in due:
            task.move(Move.FALL_DUE)

    @invariant()
    def the_tasks_are_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        rows = self.do(self.world.connection.fetch("select * from hive.task"))
        assert {
            row["id"]: (
                row["state"],
                row["claims"],
                row["given_back"],
                row["failures"],
                row["losses"],
                row["lease_id"],
                row["ended_lease"],
                row["outcome"],
                row["goes_alone"],
                row["cancel_requested_at"] is not None,
                row["finished_at"] is not None,
            )
            for row in rows
        } == {
            t.id: (
                t.state,
                t.claims,
                t.given_back,
                t.failures,
                t.losses,
                t.lease,
                t.ended_lease,
                t.outcome,
                t.goes_alone,
                t.is_called_off,
                t.state in TERMINAL_STATES,
            )
            for t in self.model.values()
        }
        for row in rows:
            self.model[row["id"]].run_at = row["run_at"]
        assert self.do(self.world.tasks.count_orphans()) == 0

    @invariant()
    def the_leases_are_as_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        rows = self.do(self.world.connection.fetch("select id, open, worker_id from hive.lease"))
        workers = [worker.worker_id for worker in self.world.workers]
        assert {row["id"]: (row["open"], row["worker_id"]) for row in rows} == {
            lease.id: (
                len(self.held(lease)),
                None if lease.worker is None else workers[lease.worker],
            )
            for lease in self.leases.values()
            if lease.is_there
        }

    def teardown(self) -> None:
        """History and log grow only, so that they are compared once, at the end."""
        if not hasattr(self, "model"):
            return
        attempts = self.do(self.world.connection.fetch("select * from hive.attempt"))
        assert {(r["task_id"], r["claim"], r["attempt"], r["outcome"]) for r in attempts} == {
            (t.id, *entry) for t in self.model.values() for entry in t.history
        }
        ends = self.do(
            self.world.connection.fetch(
                "select task_id, count(*)::integer as count from hive.event"
                " where type in ('succeeded', 'failed', 'cancelled') group by task_id"
            )
        )
        assert {row["task_id"]: row["count"] for row in ends} == {
            t.id: t.ends for t in self.model.values() if t.ends
        }


def test_the_store_follows_the_model(database_url: str) -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stack = AsyncExitStack()

        def line() -> Line:
            opened = Line(database_url, settings=HOT_SETTINGS)
            stack.push_async_callback(opened.close)
            return opened

        workers = [
            WorkerStore(WorkerId(uuid4()), accepts=line(), finishes=line()) for _ in range(2)
        ]
        connection = runner.run(asyncpg.connect(database_url))
        stack.push_async_callback(connection.close)
        world = World(
            runner=runner,
            connection=connection,
            queens=[QueenStore(QueenId(uuid4()), claims=line(), upkeep=line()) for _ in range(2)],
            workers=workers,
            heartbeats=[HeartbeatStore(worker.worker_id, line()) for worker in workers],
            tasks=TaskStore(line()),
        )
        try:
            run_state_machine_as_test(
                type("Machine", (StoreMachine,), {"world": world}),
                settings=settings(stateful_step_count=40),
            )
        finally:
            runner.run(stack.aclose())
