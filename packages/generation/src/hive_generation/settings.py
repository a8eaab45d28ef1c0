"""What an operator decides about models: where they are, and what they may take of a machine."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError
from hive_contracts.user_folders import cache_folder

__all__ = ["InferenceSettings"]

_MOST_BY_DEFAULT: Final = 4
_NICEST: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceSettings:
    """How models are found and served."""

    path: tuple[Path, ...] = ()
    """Folders with models in them, each in a folder of its name; beside those of packages."""

    processes: int | None = None
    """Child processes of a model; 0 for a thread of the worker; unset for one per processor, up to
    4."""

    batch: int = 32
    """How many texts a process generates at once; further ones wait."""

    max_context: int = 1024
    """Most tokens that a text can look back on, of models that could more: it takes memory."""

    nice: int = 15
    """By how much the processes give way to others, from 0 to 19."""

    idle_seconds: float = 300.0
    """A model that nobody has asked for so long is let go, until it is asked for again."""

    cache: Path | None = None
    """Where weights are kept as they are computed with; unset for the user's folder of caches."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ConfigurationError: a value is out of its range; the message names it.
        """
        if self.processes is not None and self.processes < 0:
            raise ConfigurationError(
                f"inference.processes is {self.processes}; it must not be negative"
            )
        for name, value in (("batch", self.batch), ("max_context", self.max_context)):
            if value < 1:
                raise ConfigurationError(f"inference.{name} is {value}; it must be at least 1")
        if not 0 <= self.nice <= _NICEST:
            raise ConfigurationError(f"inference.nice is {self.nice}; it must be from 0 to 19")
        if self.idle_seconds <= 0:
            raise ConfigurationError(
                f"inference.idle_seconds is {self.idle_seconds}; it must be greater than 0"
            )

    @property
    def children(self) -> int:
        """How many child processes each model has here."""
        if self.processes is not None:
            return self.processes
        return min(len(os.sched_getaffinity(0)), _MOST_BY_DEFAULT)

    @property
    def cache_dir(self) -> Path:
        """Where weights are kept as they are computed with."""
        return self.cache or cache_folder(os.environ) / "inference"
