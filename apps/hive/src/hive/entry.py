"""Where `hive` begins: a Ctrl-C while Python still reads the rest ends it as quietly as later."""

import sys

__all__ = ["main"]

INTERRUPTED = 130
"""As in `hive.endings`, which may be what could not be read any more."""


def main() -> None:
    """Read the rest, and run the command line."""
    try:
        from hive.setting_out import setting_out  # noqa: PLC0415 - all of it takes time

        with setting_out():
            from hive.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
