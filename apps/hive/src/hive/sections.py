"""What can be set for the parts of Hive that bring no settings of their own, one class a section.

The sentence under each setting is its documentation: docs/configuration.md is drawn from it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hive.keeping import read_retention
from hive_contracts.errors import ConfigurationError
from hive_contracts.retaining import Retention

__all__ = [
    "AuditSettings",
    "DatabaseSettings",
    "LogSettings",
    "RedisSettings",
    "RetentionSettings",
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
    """Where this machine's Hive keeps its files, and where it listens for others."""

    data_dir: Path
    """The embedded servers' data, the logs, and what `hive up` knows about itself."""

    listen: str | None = None
    """Address of this machine at which the embedded servers let others in; unset for nowhere."""

    def __post_init__(self) -> None:
        """Refuse what is no address to listen at."""
        if self.listen is not None and not _is_address(self.listen):
            raise ConfigurationError(
                f"services.listen is {self.listen!r}; it must be an IP address of this machine, by"
                " which others reach it, such as 192.168.1.20 (`ip address` lists them)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How long finished tasks are kept, with their attempts and output; see operating.md."""

    keep: str = "7d"
    """From the end of the task: a duration, or `forever` (also `0`)."""

    rules: tuple[str, ...] = ()
    """Other times for some, like `queue=builds state=failed 30d`; the first that fits holds."""

    def __post_init__(self) -> None:
        """Refuse rules and times that cannot be read."""
        read_retention(self.keep, self.rules)

    @property
    def retention(self) -> Retention:
        """What they say."""
        return read_retention(self.keep, self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What Hive's processes write about themselves, to stderr or to the logs of `hive up`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least urgent that is written."""

    format: Literal["auto", "console", "json"] = "auto"
    """`console` is for eyes, `json` for programs; `auto` is `console` on a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Who is named in the audit log when something is done by hand."""

    actor: str | None = None
    """The name in the audit log; unset for the user of this system."""

    def __post_init__(self) -> None:
        """Refuse a name that nobody has."""
        if self.actor is not None and not self.actor.strip():
            raise ConfigurationError("audit.actor is empty; name somebody, or leave it out")


def _is_address(text: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - few Hives listen, and every command is here

    try:
        # An address with a zone (%) means nothing to another machine.
        return not ip_address(text).is_multicast and "%" not in text
    except ValueError:
        return False
