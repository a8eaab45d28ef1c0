"""The options that describe a task, the same for every command that submits some."""

from typing import Annotated, TypeAlias

import typer

from hive.completing import queues

__all__ = [
    "After",
    "Cwd",
    "Delay",
    "Env",
    "ExpiresAt",
    "ExpiresIn",
    "FromLine",
    "Group",
    "IfParentFails",
    "Key",
    "Limits",
    "LingerTimeout",
    "MaxAttempts",
    "MaxLosses",
    "Needs",
    "NoRerun",
    "OutputCap",
    "Priority",
    "Pty",
    "Queue",
    "Retry",
    "RetryOn",
    "RunAt",
    "Shell",
    "SilenceTimeout",
    "StartupTimeout",
    "Stdin",
    "Timeout",
    "Unique",
    "UniqueFor",
    "WhenBusy",
]

Queue: TypeAlias = Annotated[
    str, typer.Option("--queue", metavar="NAME", help="Queue to use.", autocompletion=queues)
]
Priority: TypeAlias = Annotated[
    int, typer.Option("--priority", metavar="N", help="0 is most urgent.")
]
Needs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--needs", metavar="LABEL", help="Only a worker with this label; repeatable."),
]
Group: TypeAlias = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="What to call the tasks together.")
]
RunAt: TypeAlias = Annotated[
    str | None, typer.Option("--run-at", metavar="MOMENT", help="Not before this moment.")
]
Delay: TypeAlias = Annotated[
    str | None, typer.Option("--delay", metavar="DURATION", help="Not before so long from now.")
]
MaxAttempts: TypeAlias = Annotated[
    int | None, typer.Option("--max-attempts", metavar="N", help="Failures that end it.")
]
MaxLosses: TypeAlias = Annotated[
    int | None, typer.Option("--max-losses", metavar="N", help="Lost workers that end it.")
]
NoRerun: TypeAlias = Annotated[
    bool, typer.Option("--no-rerun", help="Never run it again once it has started.")
]
Retry: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--retry",
        metavar="POLICY",
        help="Waits after failures: 'exponential(1s, max 1h, jitter)', fixed(30s), or 1s,10s,5m.",
    ),
]
RetryOn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--retry-on",
        metavar="NAME,...",
        help="Retry only these: exit codes, signals, types of exceptions, timed_out.",
    ),
]
Timeout: TypeAlias = Annotated[
    str | None,
    typer.Option("--timeout", metavar="DURATION", help="Stop an attempt after so long, as in 5m."),
]
SilenceTimeout: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--silence-timeout", metavar="DURATION", help="Stop an attempt that is silent for so long."
    ),
]
Key: TypeAlias = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Never run beside another task of this key."),
]
WhenBusy: TypeAlias = Annotated[
    str,
    typer.Option(
        "--when-busy",
        metavar="WHAT",
        help="If the key is busy: wait, replace (those that wait), reject or cancel (all).",
    ),
]
Unique: TypeAlias = Annotated[
    str | None,
    typer.Option("--unique", metavar="NAME", help="Add none if there is one of this name."),
]
UniqueFor: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--unique-for",
        metavar="WHAT",
        help="Until that is no longer waiting, or unfinished (default), or a duration old.",
    ),
]
ExpiresAt: TypeAlias = Annotated[
    str | None, typer.Option("--expires-at", metavar="MOMENT", help="Cancel it if it waits then.")
]
ExpiresIn: TypeAlias = Annotated[
    str | None,
    typer.Option("--expires-in", metavar="DURATION", help="Cancel it if it waits so long."),
]
After: TypeAlias = Annotated[
    str | None,
    typer.Option("--after", metavar="ID[,ID...]", help="Wait until these tasks have ended."),
]
IfParentFails: TypeAlias = Annotated[
    str,
    typer.Option(
        "--if-parent-fails",
        metavar="WHAT",
        help="If one of --after does not succeed: cancel this task, or run it all the same.",
    ),
]
Cwd: TypeAlias = Annotated[
    str | None,
    typer.Option("--cwd", metavar="PATH", help="Where to run it; default: this directory."),
]
Env: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="A variable that it shall have."),
]
Shell: TypeAlias = Annotated[bool, typer.Option("--shell", help="COMMAND is one line for /bin/sh.")]
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
Limits: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="Most it may use: memory=2G, cpu_seconds=60, files=256, processes=50, nice=10.",
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
FromLine: TypeAlias = Annotated[
    int | None, typer.Option("--from-line", metavar="N", help="Begin at this line.")
]
