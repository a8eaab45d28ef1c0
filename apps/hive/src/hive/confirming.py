"""Ask before what is hard to undo: on a terminal a person, elsewhere the command line itself."""

import sys

from hive.running import ended_by_one
from hive.standard_input import is_terminal
from hive_contracts.errors import UsageError

__all__ = ["confirm"]


def confirm(
    what: str, *, is_agreed: bool, name: str | None = None, named: str | None = None
) -> None:
    """Return if `what` is really wanted.

    Args:
        what: the deed, as the beginning of a question.
        is_agreed: whether `--yes` was given.
        name: of what cannot be undone, what `--confirm` must say, so that the right thing is meant.
        named: what `--confirm` said; None if it was not given.

    Raises:
        UsageError: it is not wanted, or nobody can be asked.
    """
    if named is not None and named != name:
        raise UsageError(f"--confirm says {named!r}, but it is {name!r}; nothing was done")
    if is_agreed or named is not None:
        return
    if not (is_terminal() and sys.stderr.isatty()):
        ways = "--yes" if name is None else f"--yes or --confirm={name}"
        raise UsageError(f"to {what}, add {ways}; nothing was done")
    warning = "" if name is None else " This cannot be undone."
    print(f"{what[0].upper()}{what[1:]}?{warning} [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    with ended_by_one():
        answer = sys.stdin.readline()
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was done")
