"""The options that say how a command runs, the same for every command that submits some."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

import typer

from hive.workspace_options import WorkspaceFlags

__all__ = ["CommandFlags", "Shell", "SpokenFlags"]

Shell: TypeAlias = Annotated[bool, typer.Option("--shell", help="COMMAND is one line for /bin/sh.")]
Cwd: TypeAlias = Annotated[
    str | None,
    typer.Option("--cwd", metavar="PATH", help="Where to run it; default: this directory."),
]
Env: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="A variable that it shall have."),
]
Limits: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="Most it may use: memory=2G, cpu_seconds=60, files=256, processes=50, nice=10, "
        "and of the whole tree tree_memory=4G, tree_processes=64, tree_cpu_percent=150.",
    ),
]
StartupTimeout: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--startup-timeout", metavar="DURATION", help="Stop it if it prints nothing for so long."
    ),
]
LingerTimeout: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--linger-timeout",
        metavar="DURATION",
        help="Stop it if it stays so long with its output closed.",
    ),
]
OutputCap: TypeAlias = Annotated[
    str | None,
    typer.Option("--output-cap", metavar="SIZE", help="Keep so much of its output, as in 64K."),
]
Pty: TypeAlias = Annotated[
    bool, typer.Option("--pty", help="Give COMMAND a terminal, for `hive attach`.")
]
Stdin: TypeAlias = Annotated[
    str | None,
    typer.Option("--stdin", metavar="open", help="Let `hive send` write to its input."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFlags(WorkspaceFlags):
    """Where a command runs, with what, and within which bounds."""

    cwd: Cwd = None
    env: Env = None
    limit: Limits = None
    startup_timeout: StartupTimeout = None
    linger_timeout: LingerTimeout = None
    output_cap: OutputCap = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenFlags(CommandFlags):
    """And how people can speak with it."""

    pty: Pty = False
    stdin: Stdin = None
