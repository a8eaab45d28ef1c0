"""The worker's loops: accept, run, heartbeat, record, drain."""

from hive_worker.settings import WorkerSettings
from hive_worker.sync_worker import SyncWorker, open_sync_worker
from hive_worker.worker import Worker, open_worker

__all__ = ["SyncWorker", "Worker", "WorkerSettings", "open_sync_worker", "open_worker"]
