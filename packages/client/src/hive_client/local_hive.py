"""Find the Hive that `hive up` keeps running on this machine, for a program that names none.

`hive up` writes down where its servers are in a file that only its user can read. It may be stale,
after a power cut; so it is believed only while the process that wrote it lives.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hive_contracts.user_folders import state_folder
from hive_process import procfs

__all__ = ["LocalHive", "data_dir", "find_local_hive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHive:
    """Where the servers of a running `hive up` are."""

    database_url: str
    redis_url: str


def data_dir(environment: Mapping[str, str]) -> Path:
    """Return where `hive up` keeps its files, as far as the environment tells."""
    named = environment.get("HIVE_SERVICES_DATA_DIR") or environment.get("HIVE_DATA_DIR")
    if named:
        return Path(named).expanduser()
    return state_folder(environment)


def find_local_hive(environment: Mapping[str, str]) -> LocalHive | None:
    """Return the running `hive up`; None if there is none that this user may use."""
    try:
        found: dict[str, Any] = json.loads((data_dir(environment) / "up.json").read_bytes())
        hive = LocalHive(database_url=found["database_url"], redis_url=found["redis_url"])
        identity = found["identity"]
        lives = procfs.is_alive(
            identity["pid"], started_ticks=identity["started_ticks"], boot=identity["boot_id"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        # There is none, it is another user's, or nobody alive wrote it in this form.
        return None
    return hive if lives else None
