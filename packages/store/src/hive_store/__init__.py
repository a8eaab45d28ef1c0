"""Tasks, leases, attempts, events and output in Postgres. The only importer of asyncpg.

A name of this package is imported when it is first asked for: a command that only looks does not
pay for what submits, claims and migrates.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hive_store.callers import Connection
    from hive_store.connecting import HOT_SETTINGS
    from hive_store.doorbell import Doorbell
    from hive_store.event_filter import EventFilter
    from hive_store.event_log import EventLog
    from hive_store.fleet_store import FleetStore
    from hive_store.heartbeat_store import HeartbeatStore
    from hive_store.line import Line, open_line
    from hive_store.migrating import migrate
    from hive_store.queen_store import QueenStore
    from hive_store.schedule_store import ScheduleStore
    from hive_store.selector import Selector, TaskSummary
    from hive_store.subscriber_store import SubscriberStore
    from hive_store.task_store import EndedTask, TaskStore
    from hive_store.tick_store import TickStore
    from hive_store.worker_store import WorkerStore
    from hive_store.workspace_store import WorkspaceNotes, WorkspaceStore

__all__ = [
    "HOT_SETTINGS",
    "Connection",
    "Doorbell",
    "EndedTask",
    "EventFilter",
    "EventLog",
    "FleetStore",
    "HeartbeatStore",
    "Line",
    "QueenStore",
    "ScheduleStore",
    "Selector",
    "SubscriberStore",
    "TaskStore",
    "TaskSummary",
    "TickStore",
    "WorkerStore",
    "WorkspaceNotes",
    "WorkspaceStore",
    "migrate",
    "open_line",
]

MODULES: Final = {
    "HOT_SETTINGS": "connecting",
    "Connection": "callers",
    "Doorbell": "doorbell",
    "EndedTask": "task_store",
    "EventFilter": "event_filter",
    "EventLog": "event_log",
    "FleetStore": "fleet_store",
    "HeartbeatStore": "heartbeat_store",
    "Line": "line",
    "QueenStore": "queen_store",
    "ScheduleStore": "schedule_store",
    "Selector": "selector",
    "SubscriberStore": "subscriber_store",
    "TaskStore": "task_store",
    "TaskSummary": "selector",
    "TickStore": "tick_store",
    "WorkerStore": "worker_store",
    "WorkspaceNotes": "workspace_store",
    "WorkspaceStore": "workspace_store",
    "migrate": "migrating",
    "open_line": "line",
}
"""Where each name of the package lives."""


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
