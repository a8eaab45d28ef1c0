"""The models of this machine for one command: those of the settings, or a folder that is named."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from hive_contracts.errors import ConfigurationError, ServiceUnavailableError
from hive_generation.models import Models
from hive_generation.settings import InferenceSettings
from hive_inference.errors import FullError, InferenceError, LostError
from hive_telemetry.metrics import Metrics

__all__ = ["open_local_models", "told_as_hives"]


@asynccontextmanager
async def open_local_models(settings: InferenceSettings, model: str) -> AsyncGenerator[Models]:
    """Give models, among them `model` if it is the path of a folder and no name.

    Somebody waits for them, so that they give way to nobody.
    """
    named = {model: Path(model)} if "/" in model else {}
    async with Models.open(replace(settings, nice=0), Metrics(), named=named) as models:
        yield models


@contextmanager
def told_as_hives() -> Generator[None]:
    """Turn the engine's errors into Hive's own, by what the caller can do about them."""
    try:
        yield
    except (LostError, FullError) as error:
        raise ServiceUnavailableError(str(error)) from error
    except InferenceError as error:
        raise ConfigurationError(str(error)) from error
