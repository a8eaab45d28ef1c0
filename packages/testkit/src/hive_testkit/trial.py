"""An executor whose attempts do what the test says, installed as any package would install one.

    stage = Stage(play)
    tools = Tools(spawner=NoSpawner(), settings=(stage,))
    install_trial_executor(directory)       # a directory on sys.path

From then on a task of kind `trial` is an await of `play(attempt)`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from hive_contracts.execution import EXECUTOR_GROUP, Attempt, Executor, Tools
from hive_contracts.outcomes import Succeeded
from hive_contracts.spawning import Launch, Process

__all__ = ["TRIAL", "Gate", "NoSpawner", "Stage", "install_trial_executor", "succeed"]

TRIAL: Final = "trial"


async def succeed(_attempt: Attempt) -> Any:
    """End well at once."""
    return Succeeded({"ok": True})


class Gate:
    """A play that goes on until it is let through, however many attempts are in it."""

    def __init__(self) -> None:
        self.inside = 0
        self.most_inside = 0
        self.entered = asyncio.Event()
        self._open = asyncio.Event()

    def open(self) -> None:
        """Let every attempt come to its end."""
        self._open.set()

    async def __call__(self, attempt: Attempt) -> Any:
        """Wait, and succeed."""
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.entered.set()
        try:
            await self._open.wait()
        finally:
            self.inside -= 1
        return Succeeded({"attempt": attempt.task.attempt})


@dataclass(slots=True)
class Stage:
    """What trial attempts do, and which there have been."""

    play: Callable[[Attempt], Awaitable[Any]] = succeed
    seen: list[Attempt] = field(default_factory=list[Attempt])


@dataclass(frozen=True, slots=True)
class TrialPayload:
    """A trial task may say anything; its play may look at it."""


class TrialExecutor:
    """Plays what the stage says."""

    payload_type: ClassVar[type] = TrialPayload

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @classmethod
    def open(cls, tools: Tools) -> AbstractAsyncContextManager[Executor]:
        """Make an executor for the stage among the settings."""
        return cls._open(tools)

    @classmethod
    @asynccontextmanager
    async def _open(cls, tools: Tools) -> AsyncGenerator[Executor]:
        yield cls(tools.settings_of(Stage))

    async def run(self, attempt: Attempt) -> Any:
        """Play one attempt; whatever comes back is its outcome, also what is none."""
        self._stage.seen.append(attempt)
        return await self._stage.play(attempt)


class NoSpawner:
    """A spawner for executors that start nothing."""

    async def spawn(self, launch: Launch) -> Process:
        """Refuse.

        Raises:
            OSError: always.
        """
        raise OSError(f"nothing is to be started here, not {launch.argv[0]}")


def install_trial_executor(directory: Path, *, package: str = "hive_trial") -> None:
    """Leave in `directory` what an installed package leaves that registers an executor."""
    metadata = directory / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[{EXECUTOR_GROUP}]\n{TRIAL} = {__name__}:TrialExecutor\n"
    )
