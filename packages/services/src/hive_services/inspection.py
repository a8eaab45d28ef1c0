"""What this machine has for an embedded Postgres and Redis, and how to mend what is missing.

Nothing is started and nothing is written: `hive doctor` prints what it finds here.
"""

from dataclasses import dataclass
from pathlib import Path

from hive_contracts.errors import ConfigurationError
from hive_services.binaries import find_postgres, find_redis, show_version
from hive_services.identities import choose_identity, find_tool

__all__ = [
    "Finding",
    "inspect_identity",
    "inspect_lifeline",
    "inspect_postgres",
    "inspect_redis",
    "inspect_services",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the embedded servers need."""

    name: str
    is_usable: bool
    path: Path | None = None
    """The program that would be used; None if there is none, or if it is not a program."""

    version: str | None = None
    """Its version, or None if it is not known."""

    detail: str = ""
    """What else there is to know; empty if nothing."""

    remedy: str | None = None
    """What is wrong and how to mend it; None if all is well."""


def inspect_services() -> tuple[Finding, ...]:
    """Return everything that the embedded servers need, found or not."""
    return (inspect_postgres(), inspect_identity(), inspect_redis(), inspect_lifeline())


def inspect_postgres() -> Finding:
    """Return the Postgres that would be used."""
    try:
        programs = find_postgres()
    except ConfigurationError as error:
        return _missing("Postgres", error)
    return Finding(
        name="Postgres",
        is_usable=True,
        path=programs.postgres,
        version=show_version(programs.version),
    )


def inspect_redis() -> Finding:
    """Return the Redis or Valkey that would be used."""
    try:
        program = find_redis()
    except ConfigurationError as error:
        return _missing("Redis", error)
    return Finding(
        name="Redis", is_usable=True, path=program.path, version=show_version(program.version)
    )


def inspect_identity() -> Finding:
    """Return as whom Postgres would run."""
    try:
        identity = choose_identity()
    except ConfigurationError as error:
        return _missing("Postgres' user", error)
    return Finding(name="Postgres' user", is_usable=True, detail=identity.description)


def inspect_lifeline() -> Finding:
    """Return the program that makes the servers die with their supervisor."""
    try:
        path = find_tool("setpriv")
    except ConfigurationError as error:
        return _missing("setpriv", error)
    return Finding(name="setpriv", is_usable=True, path=Path(path))


def _missing(name: str, error: ConfigurationError) -> Finding:
    return Finding(name=name, is_usable=False, remedy=str(error))
