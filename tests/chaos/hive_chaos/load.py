"""The work of a chaos run: a mixture of everything that a Hive runs, decided by a seed."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from hive_chaos.history import Asked
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask

__all__ = ["HAS_DEPENDENCIES", "HAS_KEYS", "SORTS", "TASKS", "Order", "Work"]

TASKS: Final = Path(__file__).parent / "tasks"
MODULE: Final = "chaos_tasks"

NAMES: Final = {field.name for field in fields(NewTask)}
HAS_KEYS: Final = "key" in NAMES
HAS_DEPENDENCIES: Final = "after" in NAMES

MIXTURE: Final = {
    "noop": 933,
    "nap": 20,
    "compute": 15,
    "command": 8,
    "long": 2,
    "flaky": 8,
    "hopeless": 2,
    "cancelled": 8,
    "once": 4,
}
"""Of a thousand tasks, how many are of which sort. Those that start processes cost the most."""

SORTS: Final = tuple(MIXTURE)

KEYS: Final = 12
KEYED: Final = ("nap", "compute", "command", "long", "flaky", "cancelled")
KEYED_SHARE: Final = 0.4
DEPENDENT_SHARE: Final = 0.2
MOST_PARENTS_BACK: Final = 200
SUCCEEDED: Final = frozenset({"succeeded"})
MANY_LOSSES: Final = 1000
"""Chaos is no fault of the task: it may be lost as often as it is struck."""

LONGEST: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One task, on its way to Hive."""

    asked: Asked
    task: NewTask
    is_cancelled: bool = False
    """Whether it is called off soon after it was submitted."""

    def behind(self, task_ids: Sequence[TaskId]) -> NewTask:
        """Return the task, to come after those of these ids."""
        more: dict[str, Any] = {"after": tuple(task_ids)}
        return replace(self.task, **more) if task_ids else self.task


class Work:
    """Makes the tasks of a run, one after another."""

    def __init__(
        self, seed: int, *, witnesses: Path, mark: str, sorts: Sequence[str] = SORTS
    ) -> None:
        """Make work of some sorts that bears witness in one file, its processes marked."""
        self._weights = {sort: MIXTURE[sort] for sort in sorts}
        self._chance = random.Random(f"work {seed}")
        self._path = str(witnesses)
        self._mark = mark
        self._next = 0
        self._sure: list[int] = []

    def orders(self, count: int) -> list[Order]:
        """Return the next tasks. None comes after another of the same call: it has no id yet."""
        orders = [self._order() for _ in range(count)]
        self._sure += [o.asked.number for o in orders if o.asked.may_end_as == SUCCEEDED]
        return orders

    def _order(self) -> Order:
        number, self._next = self._next, self._next + 1
        [sort] = self._chance.choices(list(self._weights), list(self._weights.values()))
        order = getattr(self, f"_{sort}")(number)
        if HAS_KEYS and sort in KEYED and self._chance.random() < KEYED_SHARE:
            order = _keyed(order, f"k{self._chance.randrange(KEYS)}")
        elif HAS_DEPENDENCIES and sort in KEYED and self._chance.random() < DEPENDENT_SHARE:
            order = self._dependent(order)
        return order

    def _noop(self, number: int) -> Order:
        return self._call(number, "noop")

    def _nap(self, number: int) -> Order:
        return self._call(number, "nap", seconds=self._chance.uniform(0.05, 1.5))

    def _compute(self, number: int) -> Order:
        return self._call(number, "compute", rounds=self._chance.randrange(1, 12))

    def _flaky(self, number: int) -> Order:
        return self._call(number, "flaky", failures=self._chance.randrange(1, 3))

    def _hopeless(self, number: int) -> Order:
        order = self._call(number, "flaky", failures=MANY_LOSSES)
        return replace(order, asked=replace(order.asked, may_end_as=frozenset({"failed"})))

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

    def _call(self, number: int, function: str, **more: Any) -> Order:
        arguments = {"path": self._path, "number": number, **more}
        payload = {"function": f"{MODULE}:{function}", "kwargs": arguments}
        task = NewTask(kind="call", payload=payload, max_losses=MANY_LOSSES, timeout=LONGEST)
        return Order(asked=_asked(number), task=task)

    def _program(self, number: int, seconds: float, *, lingers: bool) -> Order:
        program = [sys.executable, "-I", "-S", str(TASKS / f"{MODULE}.py"), self._path]
        manner = "lingers" if lingers else "leaves"
        payload = {
            "argv": [*program, str(number), f"{seconds:.3f}", manner],
            "env": {"CHAOS_NUMBER": str(number), "CHAOS_TASK": self._mark},
        }
        task = NewTask(kind="command", payload=payload, max_losses=MANY_LOSSES, timeout=LONGEST)
        return Order(asked=_asked(number), task=task)

    def _dependent(self, order: Order) -> Order:
        recent = self._sure[-MOST_PARENTS_BACK:]
        parents = tuple(self._chance.sample(recent, min(2, len(recent))))
        return replace(order, asked=replace(order.asked, after=parents))


def _asked(number: int) -> Asked:
    return Asked(number=number, answer=f"done {number}")


def _keyed(order: Order, key: str) -> Order:
    more: dict[str, Any] = {"key": key}
    return replace(order, asked=replace(order.asked, key=key), task=replace(order.task, **more))
