"""What the benchmark ran on, and what else ran there."""

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    # Whoever only asks for the load is spared the clients of Postgres and Redis: 20 MiB.
    from hive_bench.ground import Ground

__all__ = ["describe", "load"]

LOAD_SECONDS = 1.0
SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
PACKAGES = ("hive-orchestrator", "asyncpg", "redis", "arq", "uvloop")


def load() -> str:
    """Return in words how busy the machine is with other work, looking for a second."""
    busy = psutil.cpu_percent(interval=LOAD_SECONDS)
    averages = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return f"{busy:.0f} % of its processors busy, load averages {averages}"


async def describe(ground: "Ground") -> dict[str, Any]:
    """Return the machine, the versions, and the settings that make Postgres durable."""
    async with ground.connected("hive") as connection:
        settings = {name: await connection.fetchval(f"show {name}") for name in SETTINGS}
        postgres = await connection.fetchval("show server_version")
    return {
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "processors": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "Python": sys.version.split()[0],
            "Postgres": postgres,
            **{name: version(name) for name in PACKAGES},
        },
        "postgres settings": settings,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
