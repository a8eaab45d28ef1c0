"""What people do by hand, written down where everybody can look it up: the table `hive.audit`."""

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hive_store.line import Line
from hive_store.texts import storable_text

__all__ = ["Actor", "Deed", "deed_arguments", "myself", "record_deed"]


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


def myself() -> Actor:
    """Return who runs this process."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # In a container a user may have a number alone.
        name = str(os.getuid())
    return Actor(name, socket.gethostname())


async def record_deed(line: Line, deed: Deed) -> None:
    """Write a deed down; raises as `Line.fetch` does."""
    await line.fetch("record_deed", *deed_arguments(deed))


def deed_arguments(deed: Deed) -> tuple[str | None, ...]:
    """Return what the statement `record_deed` is sent."""
    target = None if deed.target is None else storable_text(deed.target)
    details = json.dumps(dict(deed.details), default=str)
    return *map(storable_text, deed.actor), deed.what, target, details
