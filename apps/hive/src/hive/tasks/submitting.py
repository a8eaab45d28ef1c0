"""A new task from what the command line says: payloads, variables, moments."""

import codecs
import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Never

from hive.durations import read_duration
from hive_contracts.errors import ConfigurationError
from hive_contracts.tasks import DEFAULT_MAX_LOSSES

__all__ = ["parse_json", "read_max_losses", "read_payload", "read_run_at", "read_variables"]

MOST_DIGITS: Final = 1000
"""Of a whole number; Python turns away those of over 4,300, and nobody means one of so many."""


def read_payload(text: str) -> Any:
    """Return the payload that `--payload` says: JSON itself, `@file`, or `-` for standard input.

    Raises:
        ConfigurationError: it cannot be read, or is not JSON; the message says where it breaks.
    """
    if text == "@":
        raise ConfigurationError("--payload is '@', which names no file; write --payload @FILE")
    if text == "-":
        return _parsed(_decoded(sys.stdin.buffer.read(), "standard input"), "standard input")
    if not text.startswith("@"):
        return _parsed(text, "--payload")
    try:
        data = Path(text[1:]).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{text[1:]} cannot be read: {error.strerror}") from error
    return _parsed(_decoded(data, text[1:]), text[1:])


def read_variables(assignments: list[str]) -> dict[str, str]:
    """Return the environment that `--env NAME=VALUE` says, once for each variable.

    Raises:
        ConfigurationError: one has no value.
    """
    variables: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not name or not equals:
            raise ConfigurationError(f"--env needs NAME=VALUE; it got {assignment!r}")
        variables[name] = value
    return variables


def read_run_at(run_at: str | None, delay: str | None) -> datetime | None:
    """Return the moment that `--run-at` or `--delay` says; None if neither is given.

    Raises:
        ConfigurationError: it says none, or both are given.
    """
    if run_at is not None and delay is not None:
        raise ConfigurationError("--run-at and --delay say the same thing twice; give one of them")
    if delay is not None:
        try:
            return datetime.now(UTC) + read_duration(delay, flag="--delay")
        except OverflowError:
            raise ConfigurationError(f"--delay is {delay!r}, which is too long") from None
    if run_at is None:
        return None
    try:
        # Without a time zone it is the clock on the wall.
        return datetime.fromisoformat(run_at).astimezone()
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"--run-at is {run_at!r}; write it like 2030-01-31T17:00 or 2030-01-31T17:00+01:00"
        ) from None


def read_max_losses(max_losses: int | None, *, no_rerun: bool) -> int:
    """Return how many losses end a task, as `--max-losses` or `--no-rerun` says.

    Raises:
        ConfigurationError: they contradict each other.
    """
    if no_rerun and max_losses:
        raise ConfigurationError(f"--no-rerun means --max-losses 0, not {max_losses}")
    return 0 if no_rerun else DEFAULT_MAX_LOSSES if max_losses is None else max_losses


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
