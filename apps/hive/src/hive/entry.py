"""Where `hive` begins: a Ctrl-C while Python still reads the rest ends it as quietly as later."""

import sys

__all__ = ["main"]

INTERRUPTED = 130
"""As in `hive.endings`, which may be what could not be read any more."""


def main() -> None:
    """Read the rest, and run the command line."""
    try:
        from hive.cli import main as run  # noqa: PLC0415 - it takes time, in which Ctrl-C may come

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
