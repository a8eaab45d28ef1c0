"""What people do by hand, written down where everybody can look it up: the table `hive.audit`."""

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from hive_contracts.wire import decode_json
from hive_store.line import Line
from hive_store.texts import storable_text

__all__ = ["Actor", "Deed", "PastDeed", "deed_arguments", "myself", "read_deeds", "record_deed"]


class Actor(NamedTuple):
    """Who does something."""

    name: str
    """Of the account."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that a person did."""

    actor: Actor
    what: str
    """The command."""

    target: str | None = None
    """What it was done to."""

    details: Mapping[str, object] = field(default_factory=dict[str, object])
    """What else is of use, as JSON can hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDeed:
    """A deed as it was written down."""

    at: datetime
    actor: str
    host: str
    what: str
    target: str | None
    details: Any


def myself(name: str | None = None) -> Actor:
    """Return who runs this process: `name`, else what HIVE_AUDIT_ACTOR says, else the account."""
    return Actor(name or os.environ.get("HIVE_AUDIT_ACTOR") or _account(), socket.gethostname())


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container a user may have a number alone.
        return str(os.getuid())


async def record_deed(line: Line, deed: Deed) -> None:
    """Write a deed down; raises as `Line.fetch` does."""
    await line.fetch("record_deed", *deed_arguments(deed))


async def read_deeds(line: Line, *, target: str | None = None, limit: int) -> list[PastDeed]:
    """Return what was done, newest first: to one target, or to all."""
    return [
        PastDeed(
            at=row["at"],
            actor=row["actor"],
            host=row["host"],
            what=row["what"],
            target=row["target"],
            details=None if row["details"] is None else decode_json(row["details"]),
        )
        for row in await line.fetch("read_deeds", target, limit)
    ]


def deed_arguments(deed: Deed) -> tuple[str | None, ...]:
    """Return what the statement `record_deed` is sent."""
    target = None if deed.target is None else storable_text(deed.target)
    details = json.dumps(dict(deed.details), default=str)
    return *map(storable_text, deed.actor), deed.what, target, details
