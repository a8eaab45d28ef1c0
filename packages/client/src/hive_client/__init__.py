"""Submit tasks and wait for their results from Python."""

from hive_client.cancelling import CalledOff
from hive_client.hive import Hive
from hive_client.options import TaskOptions
from hive_client.references import call
from hive_client.submitter import Submitter
from hive_client.sync_hive import SyncHive
from hive_contracts.errors import TaskFailedError
from hive_contracts.ids import TaskId
from hive_contracts.retrying import Retry
from hive_contracts.schedules import Cron, Every, Missed, Once, Overlap
from hive_contracts.selecting import Selection
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask
from hive_store import EndedTask

__all__ = [
    "CalledOff",
    "Cron",
    "EndedTask",
    "Every",
    "Hive",
    "Missed",
    "NewTask",
    "Once",
    "Overlap",
    "Retry",
    "Selection",
    "Submitter",
    "SyncHive",
    "TaskFailedError",
    "TaskId",
    "TaskOptions",
    "TaskState",
    "call",
]
