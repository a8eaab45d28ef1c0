"""Which kinds of tasks this machine knows, and what their payloads must look like.

Asked before a task is queued, so that a mistake is told to whoever makes it. Other machines may
know other kinds.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hive_contracts.errors import (
    ConfigurationError,
    MalformedPayloadError,
    UnknownKindError,
    UnstorableValueError,
)
from hive_contracts.execution import EXECUTOR_GROUP, ExecutorType
from hive_contracts.wire import decode_payload, encode_json

__all__ = ["check_payload"]


def check_payload(kind: str, payload: Any) -> None:
    """Refuse a payload that the executor of `kind` would refuse.

    Raises:
        UnknownKindError: no package here registers that kind; the message names those that are.
        MalformedPayloadError: the payload does not suit the kind; the message names the field.
        ConfigurationError: the package that registers the kind cannot be imported.
    """
    found = _installed()
    if kind not in found:
        raise UnknownKindError(kind, tuple(sorted(found)))
    try:
        executor: type[ExecutorType] = found[kind].load()
    except ImportError as error:
        raise ConfigurationError(f"the executor of kind {kind!r} is broken: {error}") from error
    try:
        encoded = encode_json(payload)
    except UnstorableValueError as error:
        raise MalformedPayloadError(kind, str(error)) from error
    decode_payload(kind, encoded, executor.payload_type)


@cache
def _installed() -> Mapping[str, EntryPoint]:
    # Asked of the disk once: it takes longer than all else that is done for a line of many.
    return {entry.name: entry for entry in entry_points(group=EXECUTOR_GROUP)}
