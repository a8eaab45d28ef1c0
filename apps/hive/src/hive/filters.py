"""The options by which commands find tasks: state, queue, kind, group, key, and when they came.

    @with_options
    @with_filter
    def list_tasks(options: Options, given: Filter, *, json: Json = False) -> None:

They are kept as they were typed; `hive.tasks.choosing` says what they mean.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from hive.completing import kinds, queues
from hive.options import Options

__all__ = ["Filter", "with_filter"]

P = ParamSpec("P")

FLAGS: Final[dict[str, Any]] = {
    "state": typer.Option("--state", metavar="S,...", help="In one of these states."),
    "queue": typer.Option("--queue", metavar="NAME", help="Of this queue.", autocompletion=queues),
    "kind": typer.Option("--kind", metavar="NAME", help="Of this kind.", autocompletion=kinds),
    "group": typer.Option("--group", metavar="NAME", help="Submitted together, as NAME."),
    "key": typer.Option("--key", metavar="NAME", help="Of this key."),
    "since": typer.Option(
        "--since", metavar="WHEN", help="Submitted then or later: 10m (ago), or a moment."
    ),
    "until": typer.Option("--until", metavar="WHEN", help="Submitted before that."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the options say; None for an option that is not given."""

    state: str | None = None
    queue: str | None = None
    kind: str | None = None
    group: str | None = None
    key: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every task fits."""
        return all(value is None for value in astuple(self))

    def __str__(self) -> str:
        """Return the options as they were given."""
        given = ((name, getattr(self, name)) for name in FLAGS)
        return " ".join(f"--{name} {value}" for name, value in given if value is not None)


def with_filter(
    command: Callable[Concatenate[Options, Filter, P], None],
) -> Callable[Concatenate[Options, P], None]:
    """Give `command` the options of a filter, and hand it what they say as its second argument.

    An option that the command has itself, by the same name, is no longer one of the filter.
    """
    first, _, *own = inspect.signature(command).parameters.values()
    names = [name for name in FLAGS if name not in {one.name for one in own}]

    @functools.wraps(command)
    def parsed(options: Options, *args: P.args, **kwargs: P.kwargs) -> None:
        given: dict[str, Any] = {name: kwargs.pop(name, None) for name in names}
        command(options, Filter(**given), *args, **kwargs)

    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, FLAGS[name]],
        )
        for name in names
    ]
    arguments = [one for one in own if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    others = [one for one in own if one.kind is inspect.Parameter.KEYWORD_ONLY]
    parsed.__signature__ = inspect.Signature([first, *arguments, *flags, *others])  # pyright: ignore[reportAttributeAccessIssue]
    return parsed
