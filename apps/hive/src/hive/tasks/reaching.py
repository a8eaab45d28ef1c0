"""How a command reaches its Hive: the store alone for looking, the bus beside it for waiting."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hive.printing import say
from hive.settings import Settings
from hive.tasks.outages import BusOutage
from hive.urls import find_urls

if TYPE_CHECKING:
    from hive_bus.bus import Bus
    from hive_client import Hive
    from hive_contracts.sealing import Sealer
    from hive_store import EventLog, FleetStore, Line, ScheduleStore, Selector, TaskStore
    from hive_store.budget_store import BudgetStore
    from hive_store.control_store import ControlStore
    from hive_store.deeds import Actor, Deed, PastDeed
    from hive_store.onlooker import Onlooker
    from hive_store.pruning import Pruner
    from hive_store.workspace_store import WorkspaceStore

__all__ = ["Reach", "View", "open_reach", "open_view"]


class View:
    """What can be looked at. All of it shares one connection, and is made when it is used.

    A command pays for the sides of the store that it looks at, and `hive list` for no JSON.
    """

    def __init__(self, line: "Line", sealer: "Sealer | None" = None) -> None:
        self._line = line
        self._sealer = sealer

    @cached_property
    def schedules(self) -> "ScheduleStore":
        """What is submitted again and again."""
        from hive_store import ScheduleStore  # noqa: PLC0415

        return ScheduleStore(self._line, sealer=self._sealer)

    @cached_property
    def tasks(self) -> "TaskStore":
        """Tasks, one by one."""
        from hive_store import TaskStore  # noqa: PLC0415

        return TaskStore(self._line, sealer=self._sealer)

    @cached_property
    def selector(self) -> "Selector":
        """Tasks by what they are."""
        from hive_store import Selector  # noqa: PLC0415

        return Selector(self._line)

    @cached_property
    def events(self) -> "EventLog":
        """What has happened."""
        from hive_store import EventLog  # noqa: PLC0415

        return EventLog(self._line)

    @cached_property
    def fleet(self) -> "FleetStore":
        """Workers and queens."""
        from hive_store import FleetStore  # noqa: PLC0415

        return FleetStore(self._line)

    @cached_property
    def onlooker(self) -> "Onlooker":
        """How tasks stand among the others."""
        from hive_store.onlooker import Onlooker  # noqa: PLC0415

        return Onlooker(self._line)

    @cached_property
    def workspaces(self) -> "WorkspaceStore":
        """Where tasks have worked, and what is to become of it."""
        from hive_store import WorkspaceStore  # noqa: PLC0415

        return WorkspaceStore(self._line)

    def budgets_of(self, actor: "Actor") -> "BudgetStore":
        """Return the budgets, to be changed in the name of `actor`."""
        from hive_store.budget_store import BudgetStore  # noqa: PLC0415

        return BudgetStore(self._line, actor)

    def controls_of(self, actor: "Actor") -> "ControlStore":
        """Return what can be done to queues and limits, in the name of `actor`."""
        from hive_store.control_store import ControlStore  # noqa: PLC0415

        return ControlStore(self._line, actor)

    @cached_property
    def pruner(self) -> "Pruner":
        """What deletes finished tasks."""
        from hive_store.pruning import Pruner  # noqa: PLC0415

        return Pruner(self._line)

    async def record(self, deed: "Deed") -> None:
        """Write down what was done by hand."""
        from hive_store.deeds import record_deed  # noqa: PLC0415

        await record_deed(self._line, deed)

    async def deeds(self, *, target: str | None, limit: int) -> "list[PastDeed]":
        """Return what was done by hand, newest first: to one target, or to all."""
        from hive_store.deeds import read_deeds  # noqa: PLC0415

        return await read_deeds(self._line, target=target, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A view, and what gives work to the Hive and hears of it."""

    view: View
    hive: "Hive"
    bus: "Bus | None"
    """None if no Redis is named: news is then found by looking."""

    bus_outage: BusOutage | None
    """What has been told of the bus."""


@asynccontextmanager
async def open_view(settings: Settings) -> AsyncGenerator[View]:
    """Give a view of the Hive that the settings name, else of the one that runs here.

    Raises:
        UsageError: none is named, and none runs here.
    """
    from hive_sealing import open_sealer  # noqa: PLC0415 - few need what it imports
    from hive_store import open_line  # noqa: PLC0415 - a wrong setting is told without asyncpg

    database, _ = find_urls(settings)
    sealer = open_sealer(settings.sealing)
    async with open_line(database) as line:
        yield View(line, sealer)


@asynccontextmanager
async def open_reach(
    settings: Settings, *, tell: Callable[[str], None] = say
) -> AsyncGenerator[Reach]:
    """Give a view and a client. Raises as `open_view` does.

    Args:
        settings: which Hive.
        tell: tells a person that Postgres is away while the client waits for it.
    """
    from hive_bus.bus import Bus  # noqa: PLC0415 - 0.2 s that those who only look need not pay
    from hive_client import Hive  # noqa: PLC0415

    _, redis = find_urls(settings)
    # What the bus logs of an outage, each part for itself, is told in one sentence here.
    logging.getLogger("hive_bus").setLevel(logging.ERROR)
    async with AsyncExitStack() as stack:
        stack.enter_context(_told(logging.getLogger("hive_client"), tell))
        view = await stack.enter_async_context(open_view(settings))
        bus = outage = None
        if redis is not None:
            opened = Bus.open(redis, prefix=settings.redis.prefix)
            bus = await stack.enter_async_context(opened)
            outage = BusOutage(bus)
            await outage.look()
        hive = await stack.enter_async_context(Hive.over(view.tasks, bus))
        yield Reach(view=view, hive=hive, bus=bus, bus_outage=outage)


@contextmanager
def _told(log: logging.Logger, tell: Callable[[str], None]) -> Generator[None]:
    """Have what is logged told to a person, until the context ends."""
    handler = logging.Handler()
    handler.emit = lambda record: tell(f"hive: {record.getMessage()}")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
