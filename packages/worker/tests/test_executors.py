"""Executors are found by entry point, and opened when the first task of their kind arrives."""

import asyncio
import sys
from pathlib import Path

import pytest

from hive_contracts.errors import ConfigurationError, UnknownKindError
from hive_contracts.execution import Tools
from hive_testkit.trial import NoSpawner, Stage, install_trial_executor
from hive_worker.executors import Executors, installed

TOOLS = Tools(spawner=NoSpawner(), settings=(Stage(),))


@pytest.mark.usefixtures("trial_kind")
async def test_an_installed_package_adds_a_kind_without_being_listed() -> None:
    assert "trial" in installed()
    async with Executors.open(TOOLS) as executors:
        first = await executors.of_kind("trial")
        assert await executors.of_kind("trial") is first


@pytest.mark.usefixtures("trial_kind")
async def test_a_kind_is_opened_once_however_many_ask_at_once() -> None:
    async with Executors.open(TOOLS) as executors, asyncio.TaskGroup() as group:
        asked = [group.create_task(executors.of_kind("trial")) for _ in range(10)]
    assert len({id(task.result()) for task in asked}) == 1


async def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    async with Executors.open(TOOLS) as executors:
        with pytest.raises(UnknownKindError, match=r"'nonsense'; installed: .*call"):
            await executors.of_kind("nonsense")


@pytest.mark.usefixtures("trial_kind")
def test_one_kind_from_two_packages_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "another").mkdir()
    install_trial_executor(tmp_path / "another", package="hive_another")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "another"), *sys.path])
    with pytest.raises(ConfigurationError, match="by two packages: trial"):
        installed()
