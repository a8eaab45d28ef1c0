"""The agents of a fleet: of which sorts, how many of each, and what must come of each.

Every agent bears witness to itself in a file outside of Hive: when it began, and when it was done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from hive_contracts.tasks import NewTask, TaskRecord

__all__ = ["ANSWER", "BREAKER", "SORTS", "Sort", "deal", "task_of"]

BREAKER: Final = "scripted:fleet"
ANSWER: Final = "blue"
MOST_LOSSES: Final = 1000


def _always(_record: TaskRecord) -> bool:
    return True


def _says(**wanted: object) -> Callable[[TaskRecord], bool]:
    def holds(record: TaskRecord) -> bool:
        result: Any = record.result or {}
        return all(name in result and result[name] == wanted[name] for name in wanted)

    return holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """One sort of agents."""

    name: str
    weight: int
    """Of a hundred, about so many are of it."""

    script: tuple[str, ...] = ("@turns 2 0.05",)
    """What it does; {quota} stands for the file of the storm."""

    profile: str = "scripted"
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
    task: Mapping[str, Any] = field(default_factory=dict[str, Any])
    state: str = "succeeded"
    errors: tuple[str, ...] = ("",)
    """One of these its error must have in it."""

    failures: tuple[int, int] = (0, 0)
    holds: Callable[[TaskRecord], bool] = _always
    """Whether its result is as it must be, unless it went on with the session of an attempt."""


SORTS: Final = {
    sort.name: sort
    for sort in (
        Sort(name="plain", weight=22, holds=_says(turns=2)),
        Sort(name="codex", weight=6, profile="scripted-codex", holds=_says(cost_usd=None)),
        Sort(name="gemini", weight=6, profile="scripted-gemini", holds=_says(cost_usd=None)),
        Sort(
            name="quota",
            weight=40,
            script=("@quota-while {quota}", "@turns 1"),
            # Before all others: so many would begin in a storm, if nothing kept them.
            task={"breaker": BREAKER, "priority": 5},
        ),
        Sort(
            name="never starts",
            weight=3,
            script=("@silent",),
            payload={"startup_seconds": 5.0},
            state="failed",
            errors=("it had printed nothing 5 s after its start",),
            failures=(1, 1),
        ),
        Sort(
            name="hangs mid-run",
            weight=3,
            script=("@say begun", "@attempt 1 hang", "@say gone on"),
            task={"silence_timeout": timedelta(seconds=8), "max_attempts": 3},
            failures=(0, 2),
        ),
        Sort(
            name="lingers",
            weight=4,
            script=("@say that was all", "@linger"),
            holds=_says(lingered=True),
        ),
        Sort(
            name="deaf, with a daemon",
            weight=3,
            script=("@deaf", "@daemon", "@say that was all", "@linger"),
            holds=_says(lingered=True),
        ),
        Sort(
            name="no result",
            weight=3,
            script=("@say begun", "@no-result"),
            # Killed at its very end, it would go on behind it, and have a result.
            payload={"resumes": False},
            state="failed",
            errors=("it ended without a result",),
            failures=(1, 1),
        ),
        Sort(
            name="crashes",
            weight=3,
            script=("@say begun", "@crash"),
            task={"max_attempts": 4},
            failures=(0, 3),
        ),
        Sort(name="asks", weight=4, script=("@ask Which colour? | red | blue", "@say {answer}")),
        Sort(
            name="over budget",
            weight=3,
            profile="scripted-codex",
            script=("@turns 100 0.2",),
            payload={"budget": {"turns": 4}},
            state="failed",
            # The fifth stops it. Killed behind its fourth, it has none left to begin again with.
            errors=("5 of 4 turns are used", "4 of 4 turns are used"),
            failures=(1, 1),
        ),
    )
}


def deal(count: int, seed: int) -> list[Sort]:
    """Return which sort each of `count` agents is of: each sort once, then by weight."""
    once = list(SORTS.values())[:count]
    random = Random(seed)
    rest = random.choices(once, [sort.weight for sort in once], k=count - len(once))
    dealt = [*once, *rest]
    random.shuffle(dealt)
    return dealt


def task_of(
    sort: Sort, *, witness: Path, quota: Path, mark: str, has_breaker: bool = True
) -> NewTask:
    """Return the task of an agent.

    Args:
        sort: what it does.
        witness: where it bears witness.
        quota: the file that is there while its quota is used up.
        mark: what every process of it has in its environment, as CHAOS_TASK.
        has_breaker: whether it names its breaker; without, a quota is everybody's own affair.
    """
    acts = (act.replace("{quota}", str(quota)) for act in sort.script)
    payload = {
        "prompt": "\n".join(acts),
        "profile": sort.profile,
        "env": {"CHAOS_TASK": mark, "SCRIPTED_AGENT_WITNESS": str(witness)},
        **sort.payload,
    }
    said = {name: value for name, value in sort.task.items() if has_breaker or name != "breaker"}
    return NewTask(kind="agent", payload=payload, group="fleet", max_losses=MOST_LOSSES, **said)
