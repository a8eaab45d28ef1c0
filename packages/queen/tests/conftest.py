"""What the tests of the queen stand on: a store seen from all sides, and a kind to run."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from hive_testkit.ground import Ground, open_ground
from hive_testkit.trial import install_trial_executor


@pytest.fixture
async def ground(database_url: str) -> AsyncGenerator[Ground]:
    async with open_ground(database_url) as ground:
        yield ground


@pytest.fixture
def trial_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kind `trial` installed."""
    install_trial_executor(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
