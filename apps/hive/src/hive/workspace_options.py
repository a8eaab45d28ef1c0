"""The options that give a command a workspace, the same for every command that submits some.

They are kept as they were typed; `hive.submitting.workspaces` says what they mean.
"""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

import typer

from hive.options import Flags

__all__ = ["WorkspaceFlags"]

Workspace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--workspace",
        metavar="KIND",
        help="A directory to work in: fresh, repo, dir, same (of --after) or same:ID.",
    ),
]
Repo: TypeAlias = Annotated[
    str | None,
    typer.Option("--repo", metavar="PATH[@REF]", help="A branch of this repository, to work in."),
]
Setup: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--setup", metavar="LINE", help="For /bin/sh, before it; repeatable."),
]
Teardown: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--teardown", metavar="LINE", help="For /bin/sh, after it; repeatable."),
]
Copy: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--copy", metavar="FILE", help="Copy it in, as in .env; repeatable."),
]
Cache: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--cache", metavar="DIR", help="As --copy; read-only files are linked."),
]
Keep: TypeAlias = Annotated[
    str | None,
    typer.Option("--keep", metavar="WHEN", help="Keep the workspace: auto, always or never."),
]
InPlace: TypeAlias = Annotated[
    bool, typer.Option("--in-place", help="Retries go on in what the one before left.")
]
Disk: TypeAlias = Annotated[
    str | None, typer.Option("--disk", metavar="SIZE", help="Most it may hold, as in 2G.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFlags(Flags):
    """What a command is given to work in; None for an option that is not given."""

    workspace: Workspace = None
    repo: Repo = None
    setup: Setup = None
    teardown: Teardown = None
    copy: Copy = None
    cache: Cache = None
    keep: Keep = None
    in_place: InPlace = False
    disk: Disk = None
