"""What an operator decides about `call`: which modules may be called, and how children are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["DEMONSTRATION", "CallSettings"]

DEMONSTRATION: Final = "hive_calls.demonstration"
"""Hive's own module of functions, which every worker may call unless it is told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """How a worker runs functions."""

    modules: tuple[str, ...] = (DEMONSTRATION,)
    """Modules whose functions may be called; a package allows everything below it."""

    path: tuple[Path, ...] = ()
    """Directories to import from, after those that the worker's Python already has."""

    grace_seconds: float = 5.0
    """How long a cancelled sync function has between SIGTERM and SIGKILL."""

    max_child_calls: int = 1000
    """After this many calls a child process is replaced, and what it leaked goes with it."""

    idle_seconds: float = 60.0
    """A child process that has had nothing to do for this long is ended."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ConfigurationError: a value is out of its range; the message names it.
        """
        for module in self.modules:
            if not all(part.isidentifier() for part in module.split(".")):
                raise ConfigurationError(f"calls.modules: {module!r} is not the name of a module")
        if self.grace_seconds < 0:
            raise ConfigurationError(
                f"calls.grace_seconds is {self.grace_seconds}; it must not be negative"
            )
        if self.max_child_calls < 1:
            raise ConfigurationError(
                f"calls.max_child_calls is {self.max_child_calls}; it must be at least 1"
            )
        if self.idle_seconds <= 0:
            raise ConfigurationError(
                f"calls.idle_seconds is {self.idle_seconds}; it must be greater than 0"
            )
