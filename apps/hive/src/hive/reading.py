"""Turn what a source says into the type that a setting has, or say what is wrong with it."""

import math
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin

from hive.sources import Given
from hive_contracts.addresses import without_password
from hive_contracts.errors import ConfigurationError

__all__ = ["describe", "read"]

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")


def read(given: Given, kind: Any) -> object:
    """Return the value of `given` as a `kind`.

    Raises:
        ConfigurationError: it is not one; the message names the key, the value and the source.
    """
    try:
        return _convert(given.value, kind, given)
    except ValueError as error:
        shown = without_password(repr(given.value))
        raise ConfigurationError(
            f"{given.key} is {shown}, from {given.origin}; it must be {error}"
        ) from None


def describe(kind: Any) -> str:
    """Return what a value of `kind` is, in words."""
    if get_origin(kind) is Literal:
        *others, last = map(str, get_args(kind))
        return f"{', '.join(others)} or {last}"
    if get_origin(kind) is UnionType:
        return describe(_without_none(kind))
    if get_origin(kind) is tuple:
        return "a list of paths" if Path in get_args(kind) else "a list of texts"
    if get_origin(kind) is dict:
        return "a table in hive.toml"
    return {str: "text", int: "a whole number", float: "a number", Path: "a path"}.get(
        kind, "true or false"
    )


def _convert(value: object, kind: Any, given: Given) -> object:
    if get_origin(kind) is UnionType:
        return _convert(value, _without_none(kind), given)
    if get_origin(kind) is tuple:
        item_kind = get_args(kind)[0]
        return tuple(_convert(text, item_kind, given) for text in _texts(value, given, kind))
    if kind is bool:
        return _truth(value, given)
    if kind is int or kind is float:
        return _number(value, kind, given)
    if not _is_as_it_is(value, kind):
        raise ValueError(describe(kind))
    if kind is Path:
        return given.folder / Path(cast("str", value)).expanduser()
    return str(value) if kind is str else value


def _is_as_it_is(value: object, kind: Any) -> bool:
    """Return whether a value needs no reading to be a `kind`: a text, one of some, or a table."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    return isinstance(value, dict if get_origin(kind) is dict else (str, Path))


def _number(value: object, kind: type[int] | type[float], given: Given) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number or (given.is_text and isinstance(value, str)):
        try:
            number = kind(cast("str", value))
        except (ValueError, OverflowError):
            raise ValueError(describe(kind)) from None
        if math.isfinite(number) and (isinstance(value, str) or number == value):
            return number
    raise ValueError(describe(kind))


def _truth(value: object, given: Given) -> bool:
    if isinstance(value, bool):
        return value
    if given.is_text and str(value).lower() in TRUE + FALSE:
        return str(value).lower() in TRUE
    raise ValueError("true or false")


def _texts(value: object, given: Given, kind: Any) -> tuple[str, ...]:
    if given.is_text and isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, (list, tuple)):
        parts = cast("list[object]", value)
        if all(isinstance(part, str) for part in parts):
            return tuple(cast("list[str]", parts))
    raise ValueError(describe(kind))


def _without_none(kind: Any) -> Any:
    return next(part for part in get_args(kind) if part is not NoneType)
