"""How commands talk: data on stdout, messages on stderr, and no colour or motion in either."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress

__all__ = ["say", "show", "show_json", "show_table"]


def say(message: str) -> None:
    """Tell a person something; it is never data, and nobody needs to hear it."""
    with suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def show(line: str) -> None:
    """Print a line of what was asked for."""
    print(line, flush=True)


def show_json(value: object) -> None:
    """Print `value` as one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` under `heads` in aligned columns; what is too long goes on below."""
    from hive.tables import folded_lines  # noqa: PLC0415 - commands without tables need none

    for line in folded_lines(heads, rows):
        show(line)
