"""What the tests of agents stand on: the executor over a real guardian, and the scripted agent."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from hive_agents.agent import AgentExecutor
from hive_agents.settings import AgentSettings
from hive_contracts.execution import Tools
from hive_process import procfs
from hive_process.payload import CommandSettings
from hive_process.spawner import GuardedSpawner
from hive_testkit.attempts import RecordingAttempt, make_task


@pytest.fixture
async def spawner() -> AsyncGenerator[GuardedSpawner]:
    """A spawner; whatever a test does with it, nothing that it started is alive afterwards."""
    async with GuardedSpawner.open() as spawner:
        mark = procfs.guard_of(spawner.guardian_pid)
        assert mark is not None
        yield spawner
    begin = mark.encode() + b":"
    alive = [p for p in procfs.pids() if any(m.startswith(begin) for m in procfs.marks_of(p))]
    assert alive == []


@pytest.fixture
async def executor(
    spawner: GuardedSpawner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[AgentExecutor]:
    """The executor, with sessions of its own."""
    monkeypatch.setenv("SCRIPTED_AGENT_HOME", str(tmp_path / "agent-home"))
    settings = AgentSettings(state_dir=tmp_path / "state", linger_seconds=0.5)
    tools = Tools(spawner=spawner, settings=(CommandSettings(grace_seconds=0.3), settings))
    async with AgentExecutor.open(tools) as executor:
        yield executor


@pytest.fixture
def attempt() -> Callable[..., RecordingAttempt]:
    """Make an attempt at a prompt, of the scripted agent unless `profile` says otherwise."""

    def make(
        *script: str, number: int = 1, given_back: int = 0, **payload: Any
    ) -> RecordingAttempt:
        told = {"profile": "scripted", "prompt": "\n".join(("Do it.", *script)), **payload}
        task = make_task("agent", told, attempt=number, given_back=given_back)
        return RecordingAttempt(task)

    return make
