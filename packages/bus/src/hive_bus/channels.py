"""Which channel each type of frame travels on."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from hive_contracts.conversing import Heard, Said, Shown
from hive_contracts.events import CancelRequest, EventFrame, Frame, LeaseFrame
from hive_contracts.ids import TaskId

__all__ = ["CHANNELS", "channel_of", "channels_of"]

CHANNELS: Final[Mapping[type[Frame], str]] = MappingProxyType(
    {
        EventFrame: "events",
        LeaseFrame: "leases",
        CancelRequest: "cancels",
        Said: "talk:said",
        Heard: "talk:heard",
        Shown: "talk:shown",
    }
)
"""One channel per type, so that a reader is sent nothing that it did not ask for."""

OF_ONE_TASK: Final = (Said, Heard, Shown)
"""What has a channel for each task."""


def channel_of(frame: Frame, prefix: str) -> str:
    """Return the channel of a frame among the Hive that uses `prefix`."""
    channel = f"{prefix}:{CHANNELS[type(frame)]}"
    return f"{channel}:{frame.task_id}" if isinstance(frame, OF_ONE_TASK) else channel


def channels_of(kind: type[Frame], prefix: str, task_ids: Collection[TaskId] | None) -> list[str]:
    """Return the channels of frames of type `kind`; what is said with a task has one for each.

    Raises:
        ValueError: frames of this type are heard of named tasks alone, and none is named.
    """
    channel = f"{prefix}:{CHANNELS[kind]}"
    if not issubclass(kind, OF_ONE_TASK):
        return [channel]
    if not task_ids:
        raise ValueError(f"frames of type {kind.__name__} are heard of named tasks alone")
    return [f"{channel}:{task_id}" for task_id in task_ids]
