"""What keeps a Redis that answers from serving a Hive: its age, its role, its memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Fault", "fault_in"]

OLDEST: Final = (6, 2)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, as two pieces of a sentence."""

    found: str
    remedy: str


def fault_in(info: Mapping[str, Any]) -> Fault | None:
    """Return what is wrong with the server that says `info` of itself; None if nothing is."""
    # A Valkey says here which Redis it can stand in for.
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < OLDEST:
        return Fault(
            f"it is Redis {version}; Hive needs {'.'.join(map(str, OLDEST))} or later",
            "upgrade it, or name a newer Redis or a Valkey in HIVE_REDIS_URL",
        )
    if info.get("role") == "slave" and info.get("slave_read_only", 1):
        primary = f"{info.get('master_host', 'unknown')}:{info.get('master_port', 'unknown')}"
        return Fault(
            f"it is a read-only replica of {primary}, so no work can be handed out through it",
            "name the primary in HIVE_REDIS_URL",
        )
    limit, used = info.get("maxmemory", 0), info.get("used_memory", 0)
    if limit and used >= limit and info.get("maxmemory_policy") == "noeviction":
        return Fault(
            f"its memory is full ({used:,} bytes of {limit:,}), so no work can be handed out",
            "raise its maxmemory, or remove what else is kept in it; work goes on by itself then",
        )
    return None
