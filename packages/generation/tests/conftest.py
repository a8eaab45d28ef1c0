"""Small models with random weights, and executors that have them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from folders import bert_folder, plain_folder

from hive_contracts.execution import Tools
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_telemetry.metrics import Metrics
from hive_testkit.trial import NoSpawner

OpenModels = Callable[..., AbstractAsyncContextManager[Models]]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models `gpt`, which generates, and `bert`, which embeds."""
    root = tmp_path_factory.mktemp("models")
    plain_folder(root / "gpt")
    bert_folder(root / "bert")
    return root


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def open_models(shelf: Path, metrics: Metrics) -> OpenModels:
    """Open the models of the shelf, in one process of their own unless it is told otherwise."""

    @asynccontextmanager
    async def open_with(**settings: Any) -> AsyncGenerator[Models]:
        sample: dict[str, Any] = {
            "path": (shelf,),
            "cache": shelf / "cache",
            "processes": 1,
            "nice": 0,
        }
        chosen = InferenceSettings(**(sample | settings))
        async with Models.open(chosen, metrics) as models:
            yield models

    return open_with


@pytest.fixture
async def tools(open_models: OpenModels) -> AsyncGenerator[Tools]:
    """What a worker lends to executors of models."""
    async with open_models() as models:
        yield Tools(spawner=NoSpawner(), shared=(models,))
