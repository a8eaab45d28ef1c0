"""The join file: what another machine needs to work for the Hive of this one.

It is a `hive.toml`, so every command takes it (`--config`, `HIVE_CONFIG`); `hive join` looks at it
more closely. It holds passwords, and only its owner may read it.
"""

import json
import socket
from collections.abc import Mapping
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hive.in_force import find_in_force
from hive.private_files import replace_private
from hive.settings import Settings
from hive.up_state import Invitation
from hive_contracts.errors import ConfigurationError

__all__ = ["doorways", "invite", "is_exposed", "join_file", "withdraw"]

SHARED: Final = (
    "queen.lease_seconds",
    "worker.lease_seconds",
    "worker.heartbeat_seconds",
    "worker.lease_margin_seconds",
)
"""Settings that a queen and her workers must have alike: a worker that beats more slowly than the
queen expects is taken for dead."""

HEAD: Final = """\
# Copy this file to another machine, and type there: hive join {name}
# Whoever has it may run any command on the machines of this Hive. Keep it to yourself.
# Written by Hive {version} on {host}.
"""


def join_file(data_dir: Path) -> Path:
    """Return where the join file of a Hive is."""
    return data_dir / "join.toml"


def invite(settings: Settings, invitation: Invitation) -> None:
    """Write the join file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    path = join_file(settings.services.data_dir)
    named = {
        "database.url": invitation.database_url,
        "redis.url": invitation.redis_url,
        "redis.prefix": settings.redis.prefix,
    }
    shared = {key: find_in_force(settings, key).value for key in SHARED if key in settings.given}
    head = HEAD.format(
        name=path.name, version=version("hive-orchestrator"), host=socket.gethostname()
    )
    try:
        replace_private(path, head + _toml(named | shared))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def withdraw(data_dir: Path) -> None:
    """Remove the join file, if there is one: its servers do not listen any more."""
    join_file(data_dir).unlink(missing_ok=True)


def doorways(invitation: Invitation) -> str:
    """Return where it listens, as a firewall's owner needs it: addresses and ports."""
    urls = (invitation.database_url, invitation.redis_url)
    return " and ".join(urlsplit(url).netloc.rpartition("@")[2] for url in urls)


def is_exposed(address: str) -> bool:
    """Return whether anybody anywhere might reach a server that listens there."""
    found = ip_address(address)
    return found.is_unspecified or found.is_global


def _toml(values: Mapping[str, object]) -> str:
    sections = dict.fromkeys(key.partition(".")[0] for key in values)
    return "".join(f"\n[{section}]\n{_entries(values, section)}" for section in sections)


def _entries(values: Mapping[str, object], section: str) -> str:
    # A text or a number of JSON is one of TOML.
    return "".join(
        f"{key.partition('.')[2]} = {json.dumps(value, ensure_ascii=False)}\n"
        for key, value in values.items()
        if key.partition(".")[0] == section
    )
