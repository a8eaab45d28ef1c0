"""Tasks, leases, attempts, events and output in Postgres. The only importer of asyncpg."""

from hive_store.connecting import HOT_SETTINGS
from hive_store.doorbell import Doorbell
from hive_store.event_log import EventLog
from hive_store.fleet_store import FleetStore
from hive_store.heartbeat_store import HeartbeatStore
from hive_store.line import Line, open_line
from hive_store.migrating import migrate
from hive_store.queen_store import QueenStore
from hive_store.selector import Selector, TaskSummary
from hive_store.submitting import Connection
from hive_store.task_store import EndedTask, TaskStore
from hive_store.worker_store import WorkerStore

__all__ = [
    "HOT_SETTINGS",
    "Connection",
    "Doorbell",
    "EndedTask",
    "EventLog",
    "FleetStore",
    "HeartbeatStore",
    "Line",
    "QueenStore",
    "Selector",
    "TaskStore",
    "TaskSummary",
    "WorkerStore",
    "migrate",
    "open_line",
]
