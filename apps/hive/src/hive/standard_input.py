"""Standard input, for commands that read it; one that the caller has closed is said to be so."""

import sys
from typing import TextIO

from hive_contracts.errors import UsageError

__all__ = ["is_terminal", "read_standard_input", "standard_input"]


def standard_input() -> TextIO:
    """Return standard input.

    Raises:
        UsageError: it was closed before the command began (`<&-`).
    """
    if sys.stdin is None:
        raise UsageError("standard input is closed; give it with < FILE, or by a pipe")
    return sys.stdin


def read_standard_input() -> bytes:
    """Return all that comes on standard input. Raises as `standard_input` does."""
    return standard_input().buffer.read()


def is_terminal() -> bool:
    """Return whether a person types it."""
    return sys.stdin is not None and sys.stdin.isatty()
