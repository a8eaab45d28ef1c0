"""Which channel each type of frame travels on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hive_contracts.events import CancelRequest, EventFrame, Frame, LeaseFrame

__all__ = ["CHANNELS", "channel_of"]

CHANNELS: Final[Mapping[type[Frame], str]] = MappingProxyType(
    {EventFrame: "events", LeaseFrame: "leases", CancelRequest: "cancels"}
)
"""One channel per type, so that a reader is sent nothing that it did not ask for."""


def channel_of(kind: type[Frame], prefix: str) -> str:
    """Return the channel of frames of type `kind` among the Hive that uses `prefix`."""
    return f"{prefix}:{CHANNELS[kind]}"
