"""JSON that people write: the payload of a task, or a line that says a whole one."""

import codecs
import json
import math
from pathlib import Path
from typing import Any, Final, Never

from hive.standard_input import read_standard_input
from hive_contracts.errors import ConfigurationError

__all__ = ["parse_json", "read_payload"]

MOST_DIGITS: Final = 1000
"""Of a whole number; Python turns away those of over 4,300, and nobody means one of so many."""


def read_payload(text: str) -> Any:
    """Return the payload that `--payload` says: JSON itself, `@file`, or `-` for standard input.

    Raises:
        ConfigurationError: it cannot be read, or is not JSON; the message says where it breaks.
        UsageError: standard input is closed.
    """
    if text == "@":
        raise ConfigurationError("--payload is '@', which names no file; write --payload @FILE")
    if text == "-":
        return _parsed(_decoded(read_standard_input(), "standard input"), "standard input")
    if not text.startswith("@"):
        return _parsed(text, "--payload")
    try:
        data = Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{text[1:]} cannot be read: {error.strerror}") from error
    return _parsed(_decoded(data, text[1:]), text[1:])


def _decoded(data: bytes, source: str) -> str:
    try:
        # Some editors mark UTF-8 with a byte order mark.
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source} is not UTF-8 at byte {error.start}") from None


def parse_json(text: str) -> Any:
    """Return the value in `text`, which a task may have in its payload.

    Raises:
        ValueError: it is not JSON, or holds what no payload should: NaN, a number out of all
            bounds, an object that names a field twice. A JSONDecodeError has the place.
        RecursionError: it is nested too deeply.
    """
    return _decoder.decode(text)


def _parsed(text: str, source: str) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{source} is not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise ConfigurationError(f"{source} is nested too deeply") from None
    except ValueError as error:
        raise ConfigurationError(f"{source} is not JSON: {error}") from None


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits; at most {MOST_DIGITS:,} are read")
    return int(digits)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an object names {name!r} twice, and only one of them could count")
        found[name] = value
    return found


_decoder: Final = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_int=_whole_number,
    parse_float=_number,
    object_pairs_hook=_object,
)
