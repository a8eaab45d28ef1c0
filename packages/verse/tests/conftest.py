"""One engine for all tests of this package, with the model that ships.

One BLAS thread: with more, the bits of a product depend on the time of day.
"""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from hive_inference.host.host import Host
from hive_inference.settings import EngineSettings, HostSettings
from hive_verse.shipped import MODEL, model_folder

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def weights_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest_asyncio.fixture
async def host(weights_cache: Path) -> AsyncGenerator[Host]:
    """The shipped model, in a thread of this process."""
    settings = HostSettings(engine=EngineSettings(cache=weights_cache, slots=16), children=0)
    async with Host.open({MODEL: model_folder()}, settings) as opened:
        yield opened
