"""The options that give a command a workspace, the same for every command that submits some.

    @with_options
    @with_workspace
    def run(options: Options, room: SaidWorkspace, command: ..., *, cwd: Cwd = None) -> None:

They are kept as they were typed; `hive.submitting.workspaces` says what they mean.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from hive.options import Options

__all__ = ["SaidWorkspace", "with_workspace"]

P = ParamSpec("P")

FLAGS: Final[dict[str, Any]] = {
    "workspace": Annotated[
        str | None,
        typer.Option(
            "--workspace",
            metavar="KIND",
            help="A directory to work in: fresh, repo, dir, same (of --after) or same:ID.",
        ),
    ],
    "repo": Annotated[
        str | None,
        typer.Option(
            "--repo", metavar="PATH[@REF]", help="A branch of this repository, to work in."
        ),
    ],
    "setup": Annotated[
        list[str] | None,
        typer.Option("--setup", metavar="LINE", help="For /bin/sh, before it; repeatable."),
    ],
    "teardown": Annotated[
        list[str] | None,
        typer.Option("--teardown", metavar="LINE", help="For /bin/sh, after it; repeatable."),
    ],
    "copy": Annotated[
        list[str] | None,
        typer.Option("--copy", metavar="FILE", help="Copy it in, as in .env; repeatable."),
    ],
    "keep": Annotated[
        str | None,
        typer.Option("--keep", metavar="WHEN", help="Keep the workspace: auto, always or never."),
    ],
    "in_place": Annotated[
        bool, typer.Option("--in-place", help="Retries go on in what the one before left.")
    ],
    "disk": Annotated[
        str | None, typer.Option("--disk", metavar="SIZE", help="Most it may hold, as in 2G.")
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidWorkspace:
    """What the options say; None for an option that is not given."""

    workspace: str | None = None
    repo: str | None = None
    setup: list[str] | None = None
    teardown: list[str] | None = None
    copy: list[str] | None = None
    keep: str | None = None
    in_place: bool = False
    disk: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not any(astuple(self))


def with_workspace(
    command: Callable[Concatenate[Options, SaidWorkspace, P], None],
) -> Callable[Concatenate[Options, P], None]:
    """Give `command` the options of a workspace, and hand it what they say as second argument."""
    first, _, *own = inspect.signature(command).parameters.values()

    @functools.wraps(command)
    def parsed(options: Options, *args: P.args, **kwargs: P.kwargs) -> None:
        given: dict[str, Any] = {name: kwargs.pop(name) for name in FLAGS if name in kwargs}
        command(options, SaidWorkspace(**given), *args, **kwargs)

    flags = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name == "in_place" else None,
            annotation=kind,
        )
        for name, kind in FLAGS.items()
    ]
    arguments = [one for one in own if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    others = [one for one in own if one.kind is inspect.Parameter.KEYWORD_ONLY]
    parsed.__signature__ = inspect.Signature([first, *arguments, *others, *flags])  # pyright: ignore[reportAttributeAccessIssue]
    return parsed
