"""What can be set for the parts of Hive that bring no settings of their own, one class a section.

The sentence under each setting is its documentation: docs/configuration.md is drawn from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "DatabaseSettings",
    "LogSettings",
    "RedisSettings",
    "ServicesSettings",
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
class LogSettings:
    """What Hive's processes write about themselves, to stderr or to the logs of `hive up`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least urgent that is written."""

    format: Literal["auto", "console", "json"] = "auto"
    """`console` is for eyes, `json` for programs; `auto` is `console` on a terminal."""
