"""How a command ends that cannot go on: sentences on stderr and an exit code, never a traceback.

Of every command:

    0      it did what it was asked for
    1      something did not answer, or failed
    2      it was used wrongly: an option, a setting, an id that does not exist
    120    what it prints cannot be written
    130    Ctrl-C

A reader that leaves (`hive logs 7 | head`) ends a command by SIGPIPE, which shells show as 141.
"""

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, cast

from hive.printing import say
from hive.standard_output import UNWRITABLE, UnwritableOutputError, die_of_a_broken_pipe
from hive_contracts.errors import HiveError, UsageError

__all__ = ["FAILED", "INTERRUPTED", "USED_WRONGLY", "leaves_of", "told"]

FAILED: Final = 1
USED_WRONGLY: Final = 2
INTERRUPTED: Final = 130


@contextmanager
def told(*, failed: int = FAILED, used_wrongly: int = USED_WRONGLY) -> Generator[None]:
    """Turn Hive's own errors into sentences and an exit code; any other is a mistake in Hive.

    Args:
        failed: the exit code for what did not answer, or failed.
        used_wrongly: the exit code for what the caller can mend.
    """
    try:
        yield
    except HiveError as error:
        _end([error], failed, used_wrongly)
    except BaseExceptionGroup as group:
        leaves = list(leaves_of(group))
        errors = [leaf for leaf in leaves if isinstance(leaf, HiveError)]
        if len(errors) < len(leaves):
            raise
        _end(errors, failed, used_wrongly)


def leaves_of(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Give the errors themselves, out of groups in groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves_of(cast("BaseExceptionGroup[BaseException]", error))
        else:
            yield error


def _end(errors: list[HiveError], failed: int, used_wrongly: int) -> NoReturn:
    unwritable = [error for error in errors if isinstance(error, UnwritableOutputError)]
    if any(error.is_unread for error in unwritable):
        die_of_a_broken_pipe()
    for message in dict.fromkeys(map(str, errors)):
        say(f"hive: {message}")
    if unwritable:
        sys.exit(UNWRITABLE)
    is_usage = all(isinstance(error, UsageError) for error in errors)
    sys.exit(used_wrongly if is_usage else failed)
