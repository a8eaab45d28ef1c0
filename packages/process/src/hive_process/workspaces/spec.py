"""What a task asks of its workspace, and what workers are told about workspaces."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hive_contracts.durations import duration_in
from hive_contracts.errors import ConfigurationError
from hive_process.limits import read_bytes

__all__ = ["WorkspaceSettings", "WorkspaceSpec"]

LAST_PORT: Final = 65535
OWN_WORDS: Final = {"repo": ("repo", "ref", "branch"), "dir": ("path",), "same": ("of",)}
"""By kind, what only it can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSpec:
    """The `workspace` of a payload."""

    kind: Literal["fresh", "repo", "dir", "same"]
    """An empty directory; a git worktree on a branch of its own; a directory that is there; or the
    workspace of another task."""

    repo: str | None = None
    """Of a `repo`: a path on the worker's machine, or an address to clone from."""

    ref: str | None = None
    """Of a `repo`: the branch, tag or commit to begin with; None for what is checked out there."""

    branch: str | None = None
    """Of a `repo`: what the new branch is called; None for hive/ID."""

    path: str | None = None
    """Of a `dir`: which."""

    of: int | None = None
    """Of a `same`: the task whose workspace it is; None for the one that this task comes after."""

    setup: tuple[str, ...] = ()
    """Lines for /bin/sh, in the workspace, before the command; if one fails, the attempt has."""

    teardown: tuple[str, ...] = ()
    """Lines for /bin/sh when the command has ended, however it did."""

    copy: tuple[str, ...] = ()
    """Files and directories to copy in: from the repository's own directory to the same place, or
    from an absolute path to the top."""

    cache: tuple[str, ...] = ()
    """As `copy`, but what is not there is left out, and files that nobody may write are linked."""

    keep: Literal["auto", "always", "never"] = "auto"
    """Whether it stays; auto: after a failure, and for review if a `repo` was changed."""

    in_place: bool = False
    """Whether a further attempt goes on in what the one before has left."""

    max_bytes: int | str | None = None
    """Most that it may hold, as in 2G; past it the command is stopped."""

    comment: str | None = None
    """What somebody has to say of the work so far."""

    def __post_init__(self) -> None:
        """Refuse what can be no workspace."""
        for kind, names in OWN_WORDS.items():
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"workspace.{name} is for the kind {kind}, not {self.kind}")
        if self.kind == "repo" and not self.repo:
            raise ValueError("workspace.repo names no repository")
        if self.kind == "dir" and not Path(self.path or "").is_absolute():
            raise ValueError(f"workspace.path is an absolute path, not {self.path!r}")
        self._check_texts()
        if self.max_bytes is not None and not read_bytes(self.max_bytes):
            raise ValueError(
                f"workspace.max_bytes is {self.max_bytes!r}; it must be bytes, as in 512M or 2G"
            )

    def _check_texts(self) -> None:
        for name in ("repo", "ref", "branch"):
            if (getattr(self, name) or "").startswith("-"):
                raise ValueError(f"workspace.{name} cannot begin with a dash")
        texts = (self.repo, self.ref, self.branch, self.path, self.comment)
        if any("\0" in text for text in (*filter(None, texts), *self.setup, *self.teardown)):
            raise ValueError("workspace can hold no NUL")
        for name, files in (("copy", self.copy), ("cache", self.cache)):
            for file in files:
                self._check_path(f"workspace.{name}", file)

    def _check_path(self, name: str, file: str) -> None:
        path = Path(file)
        if not file or "\0" in file or ".." in path.parts or path in (Path(), Path("/")):
            raise ValueError(f"{name} has {file!r}, which is no path of a file")
        if self.kind != "repo" and not path.is_absolute():
            raise ValueError(f"{name} has {file!r}; without a repo it must be absolute")

    @property
    def most_bytes(self) -> int | None:
        """How much it may hold."""
        return None if self.max_bytes is None else read_bytes(self.max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """Settings of workspaces."""

    root: Path | None = None
    """Where they are; unset for `ws` in `services.data_dir`. Never inside a repository."""

    keep: str = "7d"
    """How long what a failure left is kept, or `forever`; what waits for review stays."""

    min_free: str = "1G"
    """With less room on their disk no further one is made; 0 for any."""

    first_port: int = 20000
    """HIVE_PORT of the first that runs on a machine."""

    ports: int = 10
    """How many ports each has, from its HIVE_PORT up."""

    sweep_seconds: float = 60.0
    """How often a worker looks for what is to be removed."""

    teardown_seconds: float = 20.0
    """How long all the lines of a teardown may take."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.keep != "forever":
            try:
                duration_in(self.keep)
            except (ValueError, OverflowError) as error:
                raise ConfigurationError(f"workspaces.keep: {error}, or forever") from None
        if read_bytes(self.min_free) is None:
            raise ConfigurationError(
                f"workspaces.min_free is {self.min_free!r}; it must be bytes, as in 512M or 2G"
            )
        if not 1024 <= self.first_port <= LAST_PORT or not 1 <= self.ports <= 1000:  # noqa: PLR2004
            raise ConfigurationError(
                f"workspaces.first_port ({self.first_port}) is from 1024 to {LAST_PORT},"
                f" workspaces.ports ({self.ports}) from 1 to 1000"
            )
        if self.sweep_seconds <= 0 or self.teardown_seconds <= 0:
            raise ConfigurationError(
                f"workspaces.sweep_seconds ({self.sweep_seconds:g}) and teardown_seconds"
                f" ({self.teardown_seconds:g}) are more than 0"
            )

    @property
    def keep_seconds(self) -> float | None:
        """How long what a failure left is kept; None for ever."""
        return None if self.keep == "forever" else duration_in(self.keep).total_seconds()

    @property
    def min_free_bytes(self) -> int:
        """How much room there must be."""
        return read_bytes(self.min_free) or 0
