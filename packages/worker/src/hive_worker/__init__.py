"""The worker's loops: accept, run, heartbeat, record, drain."""

from hive_worker.settings import WorkerSettings
from hive_worker.worker import Worker, open_worker

__all__ = ["Worker", "WorkerSettings", "open_worker"]
