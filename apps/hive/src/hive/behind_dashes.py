"""Commands of the command line that take a command of its own behind `--`, word for word.

The parser passes over `--`, and could not tell `hive submit -- true`, a program, from
`hive submit true`, a kind.
"""

from contextvars import ContextVar
from typing import Any, Final

from typer.core import TyperCommand

__all__ = ["WithCommand", "command_behind_dashes"]

DASHES: Final = "--"

_command: Final = ContextVar[tuple[str, ...]]("command behind dashes", default=())


class WithCommand(TyperCommand):
    """A command whose words behind `--` are for `command_behind_dashes`, and no arguments."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments before `--`, and keep those behind it."""
        place = args.index(DASHES) if DASHES in args else len(args)
        _command.set(tuple(args[place + 1 :]))
        args = args[:place]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what the line of usage says."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]


def command_behind_dashes() -> list[str]:
    """Return what stands behind `--` of the command that runs: nothing if there is no `--`."""
    return [*_command.get()]
