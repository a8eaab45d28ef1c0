"""A worker looks after the workspaces of its machine: at its start, and now and then.

A machine that never had one is not looked at: nothing is made, and Postgres is not asked.
"""

import asyncio
from typing import Never

from hive_contracts.errors import HiveError, RefusedWorkspaceError
from hive_process.spawner import GuardedSpawner
from hive_process.workspaces.programs import SpawnedPrograms
from hive_process.workspaces.spec import WorkspaceSettings
from hive_process.workspaces.sweeping import sweep_workspaces
from hive_process.workspaces.yard import Yard
from hive_store import WorkspaceNotes
from hive_telemetry.logs import logger

__all__ = ["WorkspaceUpkeep"]


class WorkspaceUpkeep:
    """Sweeps the workspaces of this machine."""

    def __init__(
        self, spawner: GuardedSpawner, known: WorkspaceNotes, settings: WorkspaceSettings
    ) -> None:
        self._spawner = spawner
        self._known = known
        self._settings = settings

    async def run(self) -> Never:
        """Sweep until cancelled; what cannot be done now is tried again."""
        while True:
            try:
                await self._sweep()
            except (HiveError, OSError) as error:
                logger(__name__).warning("workspaces were not looked after", error=str(error))
            await asyncio.sleep(self._settings.sweep_seconds)

    async def _sweep(self) -> None:
        root = self._settings.root
        if root is None:
            raise RefusedWorkspaceError("workspaces.root is not set")
        if not await asyncio.to_thread(root.is_dir):
            return
        yard = Yard(root, SpawnedPrograms(self._spawner))
        removed = await sweep_workspaces(yard, self._known, self._settings)
        if removed:
            logger(__name__).info("workspaces were removed", count=removed)
