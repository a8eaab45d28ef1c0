"""The work of a chaos run: a mixture of everything that a Hive runs, decided by a seed."""

import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hive_chaos.history import Asked
from hive_contracts.ids import TaskId
from hive_contracts.limits import Limit, LimitScope
from hive_contracts.tasks import DEFAULT_MAX_ATTEMPTS, IfParentFails, NewTask

__all__ = ["LIMIT", "LONGEST", "MANY_LOSSES", "MODULE", "SORTS", "TASKS", "TICKS", "Order", "Work"]

TASKS: Final = Path(__file__).parent / "tasks"
MODULE: Final = "chaos_tasks"

MIXTURE: Final = {
    "noop": 918,
    "nap": 20,
    "compute": 15,
    "command": 8,
    "long": 2,
    "flaky": 8,
    "hopeless": 2,
    "cancelled": 8,
    "once": 4,
    "parked": 4,
    "limited": 3,
    "behind": 4,
    "called_off": 4,
}
"""Of a thousand tasks, how many are of which sort. Those that start processes cost the most."""

TICKS: Final = "ticks"
SORTS: Final = (*MIXTURE, TICKS)
"""The last one are those that schedules make."""

KEYS: Final = 12
KEYED: Final = ("nap", "compute", "command", "long", "flaky", "cancelled")
KEYED_SHARE: Final = 0.4
DEPENDENT_SHARE: Final = 0.2
MOST_PARENTS_BACK: Final = 200
LIMITED_KEYS: Final = 6
MOST_RUNNING: Final = 2
LIMIT: Final = Limit(scope=LimitScope.KEY, target="few:", max_running=MOST_RUNNING)
"""Set when half the load is over: with any limit on keys, claims take another way."""
SUCCEEDED: Final = frozenset({"succeeded"})
FAILED: Final = frozenset({"failed"})
ORPHANED: Final = frozenset({"cancelled"})
"""How what comes after a failure ends."""
MANY_LOSSES: Final = 1000
"""Chaos is no fault of the task: it may be lost as often as it is struck."""

ORDINARY: Final = 1
"""The priority of what is submitted: the tasks of schedules go before it."""

LONGEST: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One task, on its way to Hive."""

    asked: Asked
    task: NewTask
    is_cancelled: bool = False
    """Whether it is called off soon after it was submitted."""

    def with_ids(self, ids: Mapping[int, TaskId]) -> "Order":
        """Return the order, to come after those of its parents whose ids are known.

        What nobody acknowledged has no id that is known.
        """
        after = tuple(number for number in self.asked.after if number in ids)
        behind = tuple(number for number in self.asked.behind if number in ids)
        if not after + behind:
            is_free = self.asked.may_end_as == ORPHANED
            may_end_as = SUCCEEDED if is_free else self.asked.may_end_as
            asked = replace(self.asked, after=(), behind=(), may_end_as=may_end_as)
            return replace(self, asked=asked)
        task = replace(
            self.task,
            after=[ids[number] for number in after + behind],
            if_parent_fails=IfParentFails.RUN if behind else IfParentFails.CANCEL,
        )
        return replace(self, asked=replace(self.asked, after=after, behind=behind), task=task)


class Work:
    """Makes the tasks of a run, one after another."""

    def __init__(
        self, seed: int, *, witnesses: Path, mark: str, sorts: Sequence[str] = SORTS
    ) -> None:
        """Make work of some sorts that bears witness in one file, its processes marked."""
        self._weights = {sort: MIXTURE[sort] for sort in sorts if sort != TICKS}
        self._chance = random.Random(f"work {seed}")
        self._path = str(witnesses)
        self._mark = mark
        self._next = 0
        self._sure: list[int] = []
        self._failing: list[int] = []
        self.is_limited = False
        """Whether `LIMIT` holds for what is made from now on."""

    def orders(self, count: int) -> list[Order]:
        """Return the next tasks. None comes after another of the same call: it has no id yet."""
        orders = [self._order() for _ in range(count if self._weights else 0)]
        self._sure += [o.asked.number for o in orders if o.asked.may_end_as == SUCCEEDED]
        self._failing += [o.asked.number for o in orders if o.asked.may_end_as == FAILED]
        return orders

    def _order(self) -> Order:
        number, self._next = self._next, self._next + 1
        [sort] = self._chance.choices(list(self._weights), list(self._weights.values()))
        order = getattr(self, f"_{sort}")(number)
        if sort in KEYED and self._chance.random() < KEYED_SHARE:
            order = _keyed(order, f"k{self._chance.randrange(KEYS)}")
        elif sort in KEYED and self._chance.random() < DEPENDENT_SHARE:
            order = _after(order, self._some_of(self._sure))
        return order

    def _noop(self, number: int) -> Order:
        return self._call(number, "noop")

    def _nap(self, number: int) -> Order:
        return self._call(number, "nap", seconds=self._chance.uniform(0.05, 1.5))

    def _compute(self, number: int) -> Order:
        return self._call(number, "compute", rounds=self._chance.randrange(1, 12))

    def _flaky(self, number: int) -> Order:
        return self._fails(number, self._chance.randrange(1, DEFAULT_MAX_ATTEMPTS))

    def _hopeless(self, number: int) -> Order:
        order = self._fails(number, MANY_LOSSES)
        failures = (DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_ATTEMPTS)
        return replace(order, asked=replace(order.asked, may_end_as=FAILED, failures=failures))

    def _fails(self, number: int, failures: int) -> Order:
        order = self._call(number, "flaky", failures=failures)
        return replace(order, asked=replace(order.asked, failures=(0, failures)))

    def _command(self, number: int) -> Order:
        lingers = self._chance.random() < 0.25
        return self._program(number, self._chance.uniform(0.05, 2.0), lingers=lingers)

    def _long(self, number: int) -> Order:
        return self._program(number, self._chance.uniform(3.0, 12.0), lingers=False)

    def _cancelled(self, number: int) -> Order:
        if self._chance.random() < 0.5:
            order = self._call(number, "nap", seconds=self._chance.uniform(0.5, 3.0))
        else:
            order = self._program(number, self._chance.uniform(0.5, 3.0), lingers=False)
        asked = replace(order.asked, may_end_as=frozenset({"succeeded", "cancelled"}))
        return replace(order, asked=asked, is_cancelled=True)

    def _once(self, number: int) -> Order:
        order = self._program(number, self._chance.uniform(0.2, 2.0), lingers=False)
        asked = replace(order.asked, runs_once=True, may_end_as=frozenset({"succeeded", "failed"}))
        return replace(order, asked=asked, task=replace(order.task, max_losses=0))

    def _parked(self, number: int) -> Order:
        until = time.clock_gettime(time.CLOCK_REALTIME) + self._chance.uniform(0.5, 4.0)
        manner = self._chance.choice(("park", "snooze"))
        order = self._call(number, "parked", until=until, manner=manner)
        return replace(order, asked=replace(order.asked, asks_for_more=True))

    def _limited(self, number: int) -> Order:
        order = self._program(number, self._chance.uniform(0.5, 3.0), lingers=False)
        order = _keyed(order, f"{LIMIT.target}{self._chance.randrange(LIMITED_KEYS)}")
        limit = MOST_RUNNING if self.is_limited else None
        return replace(order, asked=replace(order.asked, limit=limit))

    def _behind(self, number: int) -> Order:
        """After one that will succeed and one that will fail: it runs when both have ended."""
        order = self._fails(number, self._chance.randrange(2))
        parents = (*self._some_of(self._sure, 1), *self._some_of(self._failing, 1))
        return replace(order, asked=replace(order.asked, behind=parents))

    def _called_off(self, number: int) -> Order:
        """After one that will fail: it is cancelled, and never runs."""
        order = self._call(number, "noop")
        parents = self._some_of(self._failing, 1)
        return replace(order, asked=replace(order.asked, after=parents, may_end_as=ORPHANED))

    def _call(self, number: int, function: str, **more: Any) -> Order:
        arguments = {"path": self._path, "number": number, **more}
        payload = {"function": f"{MODULE}:{function}", "kwargs": arguments}
        task = _task("call", payload)
        return Order(asked=_asked(number), task=task)

    def _program(self, number: int, seconds: float, *, lingers: bool) -> Order:
        program = [sys.executable, "-I", "-S", str(TASKS / f"{MODULE}.py"), self._path]
        manner = "lingers" if lingers else "leaves"
        payload = {
            "argv": [*program, str(number), f"{seconds:.3f}", manner],
            "env": {"CHAOS_NUMBER": str(number), "CHAOS_TASK": self._mark},
        }
        task = _task("command", payload)
        return Order(asked=_asked(number), task=task)

    def _some_of(self, numbers: Sequence[int], most: int = 2) -> tuple[int, ...]:
        recent = numbers[-MOST_PARENTS_BACK:]
        return tuple(self._chance.sample(recent, min(most, len(recent))))


def _task(kind: str, payload: Mapping[str, Any]) -> NewTask:
    return NewTask(
        kind=kind,
        payload=payload,
        priority=ORDINARY,
        max_losses=MANY_LOSSES,
        timeout=LONGEST,
    )


def _asked(number: int) -> Asked:
    return Asked(number=number, answer=f"done {number}")


def _keyed(order: Order, key: str) -> Order:
    return replace(order, asked=replace(order.asked, key=key), task=replace(order.task, key=key))


def _after(order: Order, parents: tuple[int, ...]) -> Order:
    return replace(order, asked=replace(order.asked, after=parents))
