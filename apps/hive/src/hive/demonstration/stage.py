"""The Hive of the demonstration: servers, a queen and two workers of its own, and nobody else's.

Everything is in one temporary directory, also the settings: `hive.toml` there is read instead of
the user's and the project's, and variables that would change a setting are emptied.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from hive.hermetic import hermetic, hermetic_settings
from hive.local_plan import local_plan
from hive.settings import Settings
from hive.supervisor import Plan
from hive_services.postgres import EmbeddedPostgres

__all__ = ["WORKERS", "demonstration_settings", "plan_of"]

WORKERS: Final = 2

SETTINGS: Final = """\
# A short lease, so that the work of a killed worker is seen to be taken up by the others. Hive's
# own default is 15 s, which forgives a machine that stands still for a while.
[queen]
lease_seconds = 4.0

[worker]
lease_seconds = 4.0
processes = {workers}
slots = {slots}
heartbeat_seconds = 1.0
lease_margin_seconds = 1.0
grace_seconds = 1.0

[calls]
grace_seconds = 0.5

[inference]
# The machine is busy, and somebody listens: as urgent as everything else.
cache = "{data_dir}/cache"
processes = 1
nice = 0

[verse]
clouds = "{data_dir}/clouds"

[command]
grace_seconds = 0.5
"""


def demonstration_settings(data_dir: Path, more: str = "") -> Settings:
    """Write the settings of the demonstration into `data_dir`, and return them.

    Args:
        data_dir: its directory.
        more: TOML with further sections.
    """
    # Twice as many as processors: while one process ends, the next is being started.
    slots = max(2, 2 * len(os.sched_getaffinity(0)) // WORKERS)
    own = SETTINGS.format(workers=WORKERS, slots=slots, data_dir=data_dir)
    return hermetic_settings(data_dir, own + more)


def plan_of(settings: Settings) -> Plan:
    """Return what the supervisor is to keep up."""
    plan = local_plan(settings)
    data_dir = settings.services.data_dir
    # What a power cut would destroy is gone at the end anyhow.
    postgres = EmbeddedPostgres(data_dir, durable=False)
    servers = [(name, postgres if name == "postgres" else server) for name, server in plan.servers]
    stages = [[hermetic(program, data_dir) for program in stage] for stage in plan.stages]
    return replace(plan, servers=servers, stages=stages)
