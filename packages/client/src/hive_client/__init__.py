"""Submit tasks, wait for their results and follow what happens to them from Python."""

from hive_client.cancelling import CalledOff
from hive_client.hive import Hive
from hive_client.options import TaskOptions
from hive_client.references import call
from hive_client.submitter import Submitter
from hive_client.subscriber import Subscriber
from hive_client.sync_hive import SyncHive
from hive_contracts.errors import LostEventsError, LostNameError, TaskFailedError
from hive_contracts.events import Cursor, Event, EventType
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
    "Cursor",
    "EndedTask",
    "Event",
    "EventType",
    "Every",
    "Hive",
    "LostEventsError",
    "LostNameError",
    "Missed",
    "NewTask",
    "Once",
    "Overlap",
    "Retry",
    "Selection",
    "Submitter",
    "Subscriber",
    "SyncHive",
    "TaskFailedError",
    "TaskId",
    "TaskOptions",
    "TaskState",
    "call",
]
