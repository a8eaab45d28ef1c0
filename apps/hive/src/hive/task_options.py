"""The options that describe a task, the same for every command that submits some."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeAlias

import typer

from hive.completing import queues
from hive.options import Flags

__all__ = ["FlagsOfAny", "FlagsOfMany", "FlagsOfOne", "FromLine", "MaxAttempts"]

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
Breaker: TypeAlias = Annotated[
    str | None,
    typer.Option("--breaker", metavar="NAME", help="What those share that meet the same quota."),
]
Slots: TypeAlias = Annotated[
    int, typer.Option("--slots", metavar="N", help="Slots of one worker that it takes.")
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
FromLine: TypeAlias = Annotated[
    int | None, typer.Option("--from-line", metavar="N", help="Begin at this line.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsOfAny(Flags):
    """What every command that submits tasks can say of one, named as in `SaidTask`."""

    queue: Queue = "default"
    priority: Priority = 0
    needs: Needs = None
    slots: Slots = 1
    breaker: Breaker = None
    key: Key = None
    group: Group = None
    max_losses: MaxLosses = None
    no_rerun: NoRerun = False
    retry: Retry = None
    retry_on: RetryOn = None
    timeout: Timeout = None
    silence_timeout: SilenceTimeout = None
    expires_in: ExpiresIn = None

    def said(self) -> dict[str, Any]:
        """Return what they say, by the fields of `SaidTask`."""
        of_task = {field.name: getattr(self, field.name) for field in fields(self)}
        return of_task | {"needs": self.needs or ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsOfMany(FlagsOfAny):
    """And of tasks that are submitted now."""

    run_at: RunAt = None
    delay: Delay = None
    expires_at: ExpiresAt = None
    after: After = None
    if_parent_fails: IfParentFails = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagsOfOne(FlagsOfMany):
    """And of one task, or of each of a file."""

    max_attempts: MaxAttempts = None
    when_busy: WhenBusy = "wait"
    unique: Unique = None
    unique_for: UniqueFor = None
