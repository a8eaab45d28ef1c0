"""How large everything is: once to find out, once to see that it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["FULL", "SMOKE", "Scale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Numbers of tasks and of rounds."""

    in_memory: bool
    """Whether what should be on a disk is in memory: quicker, and nothing can be learnt from it."""

    variables: Mapping[str, str]
    """What processes find in their environment besides."""

    drain_seconds: float
    """A drain has as many tasks as take this long."""

    most_drained: int
    """A drain has no more tasks than this."""

    warm_up: float
    """Share of a candidate's first guess that its warm-up drains."""

    rounds: int
    """How often what is cheap is repeated."""

    few_rounds: int
    """How often what is dear is repeated."""

    peers_compete_twice: bool
    """Whether peers are drained with two workers too, as Hive is."""

    samples: int
    """Submits whose latency is measured in one round."""

    submitted: int
    """Tasks in one bulk submit."""

    finished: int
    """Finished tasks that lie in a table."""

    history: int
    """Finished tasks that lie in a table which has become very large."""

    remembered: int
    """Tasks after which memory is read."""

    held: int
    """Tasks drained under a held snapshot."""

    spawned: int
    """Processes started in one round."""

    waited: int
    """Processes that only wait, for the worker that runs them one by one."""

    caps: tuple[int, ...]
    """How many tasks the async worker may run at once, one after another."""

    worked: int
    """Tasks of each kind of work at each cap, and for each slot."""

    printed: int
    """Lines that are waited for in a log."""

    flooded_bytes: int
    """What a command prints as fast as it can."""

    silent: int
    """Commands that run at once and print nothing."""

    silent_seconds: float
    """How long they are looked at."""

    mapped: int
    """Lines that a command is run for."""

    called_off: int
    """Processes that run and are called off in one round."""

    worktrees: int
    """Workspaces of one repository at once."""

    files: int
    """Files in that repository."""


FULL: Final = Scale(
    in_memory=False,
    variables={},
    drain_seconds=5.0,
    most_drained=500_000,
    warm_up=1.0,
    rounds=5,
    few_rounds=3,
    peers_compete_twice=True,
    samples=500,
    submitted=100_000,
    finished=1_000_000,
    history=10_000_000,
    remembered=100_000,
    held=200_000,
    spawned=2000,
    waited=20,
    caps=(1, 2, 4, 8, 16, 32),
    worked=4,
    printed=40,
    flooded_bytes=8 << 30,
    silent=200,
    silent_seconds=10.0,
    mapped=2000,
    called_off=20,
    worktrees=100,
    files=10_000,
)

SMOKE: Final = Scale(
    in_memory=True,
    # A queen that came before her workers sees them at her next poll.
    variables={"HIVE_QUEEN_POLL_SECONDS": "0.1"},
    drain_seconds=0.05,
    most_drained=400,
    warm_up=0.0,
    rounds=1,
    few_rounds=1,
    peers_compete_twice=False,
    samples=5,
    submitted=1000,
    finished=2000,
    history=3000,
    remembered=400,
    held=2000,
    spawned=20,
    waited=2,
    caps=(2,),
    worked=1,
    printed=2,
    flooded_bytes=64 << 20,
    silent=4,
    silent_seconds=0.5,
    mapped=20,
    called_off=2,
    worktrees=3,
    files=20,
)
