"""What a task is given to work on: is it what JSON gives back, and what its kind asks for?

A payload is held against its kind only if a package that registers the kind is installed here; it
is imported when the first task of the kind is submitted. The workers may have other kinds.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from hive_contracts.errors import (
    ConfigurationError,
    MalformedPayloadError,
    RefusedTaskError,
    UnknownKindError,
    UnstorableValueError,
)
from hive_contracts.execution import EXECUTOR_GROUP, ExecutorType
from hive_contracts.wire import decode_payload, encode_json

__all__ = ["check_payload", "check_payload_if_known", "refuse_what_is_not_json"]


def check_payload(kind: str, payload: Any) -> None:
    """Refuse a payload that the executor of `kind` would refuse.

    Raises:
        UnknownKindError: no package here registers that kind; the message names those that are.
        MalformedPayloadError: the payload does not suit the kind; the message names the field.
        ConfigurationError: the package that registers the kind cannot be imported.
    """
    executor = _executor_of(kind)
    try:
        encoded = encode_json(payload)
    except UnstorableValueError as error:
        raise MalformedPayloadError(kind, str(error)) from error
    decode_payload(kind, encoded, executor.payload_type)


def check_payload_if_known(kind: str, payload: Any) -> None:
    """Refuse a payload that the executor of `kind` would refuse, if there is one to ask here.

    Raises:
        MalformedPayloadError: the payload does not suit the kind; the message names the field.
    """
    try:
        check_payload(kind, payload)
    except (UnknownKindError, ConfigurationError):
        return


@cache
def _executor_of(kind: str) -> type[ExecutorType]:
    # To load what is loaded takes longer than to hold a small payload against it.
    found = _installed()
    if kind not in found:
        raise UnknownKindError(kind, tuple(sorted(found)))
    try:
        executor: type[ExecutorType] = found[kind].load()
    except ImportError as error:
        raise ConfigurationError(f"the executor of kind {kind!r} is broken: {error}") from error
    return executor


@cache
def _installed() -> Mapping[str, EntryPoint]:
    # Asked of the disk once: it takes longer than all else that is done for a line of many.
    return {entry.name: entry for entry in entry_points(group=EXECUTOR_GROUP)}


def refuse_what_is_not_json(value: object, place: str) -> None:
    """Return if JSON gives `value` back as it is, or a tuple of it as a list.

    Raises:
        RefusedTaskError: it does not; the message says what, and where in `place`.
    """
    try:
        _refuse_what_is_not_json(value, place)
    except RecursionError:
        raise RefusedTaskError(f"{place} is nested too deeply for JSON") from None


def _refuse_what_is_not_json(value: object, place: str) -> None:
    match value:
        case None | bool() | int() | float() | str():
            return
        case list() | tuple():
            for number, item in enumerate(cast("list[object]", value)):
                _refuse_what_is_not_json(item, f"item {number} of {place}")
        case dict():
            for key, item in cast("dict[object, object]", value).items():
                if not isinstance(key, str):
                    raise RefusedTaskError(
                        f"a key of {place} is {key!r}; JSON knows only keys that are text"
                    )
                _refuse_what_is_not_json(item, f"{key!r} of {place}")
        case _:
            raise RefusedTaskError(
                f"{place} is of type {type(value).__name__}, which JSON cannot carry;"
                " give it as text, numbers, lists or dicts"
            )
