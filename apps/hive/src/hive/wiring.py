"""Put a queen or a worker together from the settings, run it, and stop it when a signal says so.

first SIGTERM or SIGINT    leave in good order
second                     leave at once; nothing of any task is left running
"""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Final

from hive.parenthood import announce_ready
from hive.settings import Settings
from hive.signals import heard
from hive.upkeep import WorkspaceUpkeep
from hive.urls import resolve_urls
from hive_contracts.errors import ServiceUnavailableError
from hive_contracts.execution import Tools
from hive_generation.models import Models
from hive_process.spawner import GuardedSpawner
from hive_process.sweep import sweep_abandoned
from hive_queen.queen import open_queen
from hive_sealing import open_sealer
from hive_store import WorkspaceNotes, open_line
from hive_telemetry.logs import LogFormat, configure, logger
from hive_telemetry.metrics import Metrics
from hive_telemetry.serving import serve
from hive_verse.clouds import Clouds
from hive_worker.sync_worker import open_sync_worker
from hive_worker.worker import open_worker

__all__ = ["run_queen", "run_worker"]

VERSION: Final = version("hive-orchestrator")
POLITE_SIGNALS: Final = 2
FORCED: Final = 1


async def run_queen(settings: Settings) -> None:
    """Reign until a signal says otherwise."""
    _collect_rarely()
    urls = resolve_urls(settings)
    with _observed(settings, role="queen", port=settings.queen.metrics_port) as metrics:
        async with open_queen(
            database_url=urls.database,
            redis_url=urls.redis,
            redis_prefix=settings.redis.prefix,
            settings=settings.queen,
            retention=settings.retention.retention,
            metrics=metrics,
            version=VERSION,
        ) as queen:
            asking = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                reigning = group.create_task(queen.run(), name="queen")
                with _signals(asking.set):
                    announce_ready()
                    await asking.wait()
                reigning.cancel()


async def run_worker(settings: Settings, *, is_async: bool) -> None:
    """Work until a signal says otherwise, then drain.

    Args:
        settings: of every part.
        is_async: many tasks at once, from queens; else one after another, straight from Postgres.
    """
    _collect_rarely()
    urls = resolve_urls(settings)
    with _observed(settings, role="worker", port=settings.worker.metrics_port) as metrics:
        async with (
            _tools(settings, metrics, urls.database) as (tools, spawner, upkeep),
            (open_worker if is_async else open_sync_worker)(
                database_url=urls.database,
                redis_url=urls.redis,
                redis_prefix=settings.redis.prefix,
                tools=tools,
                settings=settings.worker,
                metrics=metrics,
                version=VERSION,
                sealer=open_sealer(settings.sealing),
            ) as worker,
        ):
            worker.proof.on_move = spawner.prove_until
            with _signals(worker.stop):
                async with asyncio.TaskGroup() as group:
                    guarding = group.create_task(_guard(spawner), name="guardian")
                    sweeping = group.create_task(upkeep.run(), name="workspaces")
                    announce_ready()
                    await worker.run()
                    guarding.cancel()
                    sweeping.cancel()


def _collect_rarely() -> None:
    """Have cycles looked for less often, and never in what the imports have made.

    A task makes dozens of objects and no cycle: at Python's own thresholds looking for one took
    3 of the 14 microseconds that a task took of a worker's Python.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


@contextmanager
def _observed(settings: Settings, *, role: str, port: int | None) -> Generator[Metrics]:
    """Give metrics, served if a port is set, and have logs written as the settings say."""
    configure(role=role, level=settings.log.level, format=LogFormat(settings.log.format))
    metrics = Metrics()
    if port is None:
        yield metrics
        return
    with serve(metrics, port=port) as chosen:
        logger(__name__).info("metrics are served", url=f"http://127.0.0.1:{chosen}/metrics")
        yield metrics


@asynccontextmanager
async def _tools(
    settings: Settings, metrics: Metrics, database_url: str
) -> AsyncGenerator[tuple[Tools, GuardedSpawner, WorkspaceUpkeep]]:
    """Give what executors need; kill first what a worker that died here has left behind."""
    killed = await asyncio.to_thread(sweep_abandoned)
    if killed:
        logger(__name__).warning("killed what a dead worker left behind", pids=list(killed))
    # The line connects when the first task with a workspace comes, or something is to be swept.
    async with (
        GuardedSpawner.open() as spawner,
        open_line(database_url) as line,
        Models.open(settings.inference, metrics) as models,
        Clouds.open(settings.verse, models) as clouds,
    ):
        workspaces, known = settings.placed_workspaces, WorkspaceNotes(line)
        tools = Tools(
            spawner=spawner,
            settings=(settings.command, settings.calls, settings.placed_agents, workspaces),
            shared=(models, clouds),
            slots=settings.worker.slots,
            workspaces=known,
        )
        yield tools, spawner, WorkspaceUpkeep(spawner, known, workspaces)


async def _guard(spawner: GuardedSpawner) -> None:
    """End the worker if its guardian dies: nothing that it starts would be safe any more."""
    await spawner.lost.wait()
    raise ServiceUnavailableError("the guardian process died; this worker must not go on without")


@contextmanager
def _signals(on_signal: Callable[[], None]) -> Generator[None]:
    """Call `on_signal` for the first two signals; the third ends the process where it is."""
    count = 0

    def hear() -> None:
        nonlocal count
        count += 1
        if count > POLITE_SIGNALS:
            # The guardian kills what was started; leases lapse, as if it had been killed.
            os._exit(FORCED)
        on_signal()

    with heard(hear):
        yield
