"""What can be set for the parts of Hive that bring no settings of their own, one class a section.

The sentence under each setting is its documentation: docs/configuration.md is drawn from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hive_contracts.errors import ConfigurationError

__all__ = [
    "DatabaseSettings",
    "LogSettings",
    "RedisSettings",
    "RetrySettings",
    "ServicesSettings",
    "WorkerSettings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where Postgres is."""

    url: str | None = None
    """Address of a Postgres 15 or later; unset for the embedded one that `hive up` starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """Where Redis is."""

    url: str | None = None
    """Address of a Redis 6.2 or later or a Valkey; unset for the embedded one."""

    prefix: str = "hive"
    """What every key and channel begins with, so that several Hives may share a Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesSettings:
    """Where this machine's Hive keeps its files."""

    data_dir: Path
    """The embedded servers' data, the logs, and what `hive up` knows about itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker runs tasks."""

    queues: tuple[str, ...] = ("default",)
    """The queues it serves."""

    slots: int = 4
    """Most tasks that one worker process runs at once."""

    processes: int = 1
    """How many worker processes `hive up` keeps running."""

    heartbeat_seconds: float = 5.0
    """How often a worker renews its leases. A lease must outlast two heartbeats and the margin."""

    lease_margin_seconds: float = 2.0
    """How long before its lease ends a worker that cannot renew it stops what it runs."""

    grace_seconds: float = 10.0
    """How long a worker that is told to stop waits for what it runs before giving it back."""

    output_cap_bytes: int = 1024 * 1024
    """Most output kept of one attempt: half from its beginning, half from its end."""

    metrics_port: int | None = None
    """Port on 127.0.0.1 that Prometheus may scrape, 0 for any; unset for none."""

    def __post_init__(self) -> None:
        """Refuse values out of their range."""
        if not self.queues or not all(self.queues):
            raise ConfigurationError("worker.queues must name at least one queue, and none empty")
        _at_least("worker.slots", self.slots, 1)
        _at_least("worker.processes", self.processes, 0)
        _positive("worker.heartbeat_seconds", self.heartbeat_seconds)
        _at_least("worker.lease_margin_seconds", self.lease_margin_seconds, 0)
        _at_least("worker.grace_seconds", self.grace_seconds, 0)
        _at_least("worker.output_cap_bytes", self.output_cap_bytes, 0)
        _port("worker.metrics_port", self.metrics_port)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How long a task waits after an attempt that failed."""

    base_seconds: float = 1.0
    """The wait after the first failure; it doubles with each further one."""

    cap_seconds: float = 300.0
    """The longest wait."""

    def __post_init__(self) -> None:
        """Refuse values that contradict one another."""
        _at_least("retry.base_seconds", self.base_seconds, 0)
        if self.cap_seconds < self.base_seconds:
            raise ConfigurationError(
                f"retry.cap_seconds is {self.cap_seconds:g}; it must be at least"
                f" retry.base_seconds, which is {self.base_seconds:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What Hive's processes write about themselves, to stderr or to the logs of `hive up`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least urgent that is written."""

    format: Literal["auto", "console", "json"] = "auto"
    """`console` is for eyes, `json` for programs; `auto` is `console` on a terminal."""


def _positive(key: str, value: float) -> None:
    """Refuse a `value` that is not above 0."""
    if not value > 0:
        raise ConfigurationError(f"{key} is {value:g}; it must be greater than 0")


def _at_least(key: str, value: float, least: float) -> None:
    """Refuse a `value` below `least`."""
    if not value >= least:
        raise ConfigurationError(f"{key} is {value:g}; it must be at least {least:g}")


def _port(key: str, value: int | None) -> None:
    """Refuse a `value` that is no port."""
    if value is not None and not 0 <= value <= 65535:  # noqa: PLR2004 - ports have 16 bits
        raise ConfigurationError(f"{key} is {value}; a port is between 0 and 65535")
