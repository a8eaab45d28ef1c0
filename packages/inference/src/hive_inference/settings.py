"""What a host of models can be told; importing this needs no numpy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_inference.errors import RequestError

__all__ = ["EngineSettings", "HostSettings"]

_NICEST: Final = 19
"""As far as Linux goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How one process serves its models."""

    cache: Path
    """Where folded weights and plans are kept."""

    slots: int = 32
    """Sequences of a decoder that run at once."""

    queue_capacity: int = 256
    """Most requests of a model that may wait."""

    max_context: int = 1024
    """Most tokens of a sequence, if the model could take more: each slot has memory for them."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            RequestError: a value is below 1; the message names it.
        """
        for name in ("slots", "queue_capacity", "max_context"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """How many processes serve the models, and how."""

    engine: EngineSettings
    children: int = 1
    """Child processes, best one for each processor; 0 serves from a thread of this process."""

    nice: int = 15
    """By how much children give way to other processes, their parent's event loop among them."""

    restart_seconds: float = 1.0
    """From when a child is gone until another takes its place."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            RequestError: a value is out of its range; the message names it.
        """
        if self.children < 0:
            raise RequestError(f"children is {self.children}; it must not be negative")
        if not 0 <= self.nice <= _NICEST:
            raise RequestError(f"nice is {self.nice}; it must be from 0 to 19")
        if self.restart_seconds < 0:
            raise RequestError(
                f"restart_seconds is {self.restart_seconds}; it must not be negative"
            )
