"""How commands talk: data on stdout, messages on stderr, and no colour or motion in either."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

__all__ = ["as_json", "say", "show", "show_json", "show_table"]


def say(message: str) -> None:
    """Tell a person something; it is never data, and nobody needs to hear it."""
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def show(line: str) -> None:
    """Print a line of what was asked for."""
    print(line, flush=True)


def show_json(value: object) -> None:
    """Print `value` as one JSON document."""
    print(as_json(value, indent=2), flush=True)


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return `value` as JSON: moments in ISO 8601, and what JSON does not know as text."""
    return json.dumps(value, indent=indent, ensure_ascii=False, default=_plain)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` under `heads` in aligned columns; what is too long goes on below."""
    from hive.tables import folded_lines  # noqa: PLC0415 - commands without tables need none

    for line in folded_lines(heads, rows):
        show(line)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
