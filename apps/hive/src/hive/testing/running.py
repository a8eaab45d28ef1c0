"""A Hive of real processes for end-to-end tests: a queen and workers, gone when the test is.

They are started as `hive up` starts them, and started again if they die; they die with the thread
that runs the test. What they have said is added to whatever error the body raises.
"""

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

from hive.hermetic import hermetic, hermetic_settings
from hive.keeper import Keeper, Program, tail
from hive.local_plan import HIVE
from hive.settings import Settings
from hive.testing.hive_for_tests import HiveForTests
from hive.testing.servers import PREFIX, HivePlace
from hive_bus.beside import beside
from hive_calls.settings import DEMONSTRATION
from hive_contracts.errors import ServiceUnavailableError, UsageError
from hive_services import embedded_services
from hive_services.scratch import scratch_directory
from hive_store import migrate

__all__ = ["running_hive"]

READY_SECONDS: Final = 120.0
QUEEN_GRACE_SECONDS: Final = 5.0

BRIEF: Final = MappingProxyType({"worker.grace_seconds": "1"})
"""A killed test leaves its workers a SIGTERM, and nobody waits for what they run."""


@asynccontextmanager
async def running_hive(
    *,
    workers: int = 1,
    slots: int = 4,
    queues: Sequence[str] = ("default",),
    allow: Sequence[str] = (),
    settings: Mapping[str, object] = MappingProxyType({}),
    place: HivePlace | None = None,
) -> AsyncGenerator[HiveForTests]:
    """Run a queen and workers until the context closes; give a client of them.

    Args:
        workers: how many worker processes, 0 or more.
        slots: how many tasks each runs at once.
        queues: which queues they serve.
        allow: modules whose functions `call` tasks may call; workers import from wherever this
            process does.
        settings: any setting by its key, such as `{"queen.lease_seconds": 3}`.
        place: the database and Redis to use, such as the fixture `hive_place`; None for servers of
            its own, which take a second or two.

    Raises:
        ConfigurationError: there is no such setting, or it cannot be so.
        ServiceUnavailableError: a process did not come up; the message has the end of its log.
    """
    if workers < 0:
        raise UsageError(f"workers is {workers}; it is 0 or more")
    flags = {
        **BRIEF,
        "worker.slots": slots,
        "worker.queues": queues,
        "calls.modules": (DEMONSTRATION, *allow),
        "calls.path": _import_path(),
        **settings,
    }
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(scratch_directory(PREFIX))
        known = hermetic_settings(
            directory, "", flags={key: _as_text(value) for key, value in flags.items()}
        )
        there = place or await stack.enter_async_context(_servers(directory))
        hive = await stack.enter_async_context(there.connect())
        programs = _programs(known, there, directory, workers)
        async with _kept(programs):
            try:
                yield hive
            except BaseException as error:
                error.add_note(_said(programs))
                raise


@asynccontextmanager
async def _servers(directory: Path) -> AsyncGenerator[HivePlace]:
    async with embedded_services(directory, durable=False) as urls:
        await migrate(urls.postgres_url)
        yield HivePlace(
            database_url=urls.postgres_url, redis_url=urls.redis_url, redis_prefix="hive"
        )


def _programs(settings: Settings, place: HivePlace, directory: Path, workers: int) -> list[Program]:
    """Return the queen, then the workers."""
    env = settings.for_children() | dict(place.environment)
    queen = Program(
        name="queen",
        argv=(*HIVE, "queen"),
        env=env,
        log=directory / "queen.log",
        grace_seconds=QUEEN_GRACE_SECONDS,
    )
    crew = [
        Program(
            name=f"worker-{number}",
            argv=(*HIVE, "worker", "--async", "--processes", "1"),
            env=env,
            log=directory / f"worker-{number}.log",
            grace_seconds=settings.worker_stop_seconds,
        )
        for number in range(1, workers + 1)
    ]
    return [hermetic(program, directory) for program in (queen, *crew)]


@asynccontextmanager
async def _kept(programs: Sequence[Program]) -> AsyncGenerator[None]:
    """Keep programs running; afterwards have all leave at once, the first of them last."""
    async with AsyncExitStack() as stack:
        keepers: list[Keeper] = []
        for program in programs:
            keeper = Keeper(program, report=lambda _: None, changed=lambda: None)
            keepers.append(keeper)
            await stack.enter_async_context(
                beside(keeper.run(), name=program.name, stop=keeper.hurry)
            )
            stack.push_async_callback(keeper.stop)
        for keeper, program in zip(keepers, programs, strict=True):
            await keeper.settle(seconds=READY_SECONDS)
            if not keeper.state.is_ready:
                raise ServiceUnavailableError(
                    f"{program.name} did not come up: {keeper.state.last_exit or 'it says nothing'}"
                    f"\n{_said([program])}"
                )
        stack.callback(lambda: [keeper.hurry() for keeper in keepers])
        yield


def _said(programs: Sequence[Program]) -> str:
    """Return the end of every log."""
    return "\n".join(
        f"--- the end of the log of {program.name}:\n" + "\n".join(tail(program.log))
        for program in programs
    )


def _import_path() -> list[str]:
    places = [str(Path(entry).absolute()) for entry in sys.path]
    return [place for place in places if Path(place).is_dir() and "," not in place]


def _as_text(value: object) -> str:
    is_list = isinstance(value, list | tuple)
    return ",".join(map(str, cast("Sequence[object]", value))) if is_list else str(value)
