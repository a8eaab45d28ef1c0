"""How commands talk: data on stdout, messages on stderr, and no colour or motion in either."""

import json
import sys
from collections.abc import Sequence

__all__ = ["say", "show", "show_json", "show_table"]


def say(message: str) -> None:
    """Tell a person something; it is never data."""
    print(message, file=sys.stderr, flush=True)


def show(line: str) -> None:
    """Print a line of what was asked for."""
    print(line, flush=True)


def show_json(value: object) -> None:
    """Print `value` as one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print `rows` under `heads` in aligned columns; the last column may be of any length."""
    lines = [[head.upper() for head in heads], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line[-1]]).rstrip())
