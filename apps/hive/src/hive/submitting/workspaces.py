"""The workspace of a command, as its options say it.

--repo PATH, --repo PATH@REF, --repo ADDRESS@REF, --workspace fresh, dir, same, same:12
"""

import hashlib
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from hive.command_options import CommandFlags
from hive.workspace_options import WorkspaceFlags
from hive_contracts.errors import ConfigurationError

__all__ = ["Room", "key_of_directory", "room_of", "split_ref"]

KINDS: Final = ("fresh", "repo", "dir", "same")


class Room(NamedTuple):
    """What a command that is typed is given to work in."""

    workspace: dict[str, Any] | None
    """As a payload has it; None for none."""

    cwd: str | None
    """Where it begins: a path in its workspace, or one of the worker's machine."""

    key: str | None
    """What keeps two tasks from working in one directory; None if nothing need."""


def room_of(said: CommandFlags) -> Room:
    """Return what the options say.

    Raises:
        ConfigurationError: they make no sense, alone or together; the message says which.
    """
    cwd = said.cwd
    kind, _, of = (said.workspace or ("repo" if said.repo else "")).partition(":")
    if not kind:
        if any(getattr(said, field.name) for field in fields(WorkspaceFlags)):
            raise ConfigurationError(
                "--setup, --teardown, --copy, --cache, --keep, --in-place and --disk are for a"
                " workspace: add --repo PATH, or --workspace fresh, dir or same"
            )
        return Room(None, str(Path(cwd or ".").absolute()), None)
    if kind not in KINDS:
        raise ConfigurationError(
            f"--workspace is {said.workspace!r}; it is fresh, repo, dir, same, or same:ID"
        )
    if said.repo is not None and kind != "repo":
        raise ConfigurationError(f"--repo is a workspace of its own; leave out --workspace {kind}")
    workspace: dict[str, Any] = {"kind": kind, **_wishes(said, kind)}
    if kind == "dir":
        place = str(Path(cwd or ".").resolve())
        return Room({**workspace, "path": place}, None, key_of_directory(place))
    if cwd is not None and (Path(cwd).is_absolute() or ".." in Path(cwd).parts):
        raise ConfigurationError(f"--cwd is {cwd!r}; in a workspace it is a path from its top")
    if kind == "same" and of:
        if not of.isdecimal():
            raise ConfigurationError(f"--workspace same:{of}: {of!r} is no id of a task")
        workspace["of"] = int(of)
    return Room(workspace, cwd, None)


def split_ref(said: str) -> tuple[str, str | None]:
    """Return a repository, a local one by its absolute path, and what to begin with, if it is said.

    An @ of an address, or of a directory that is there, is none that a branch stands behind.
    """
    if Path(said).is_dir():
        return str(Path(said).absolute()), None
    head, at, ref = said.rpartition("@")
    begins_at = said.find("/", said.find("://") + 3) if "://" in said else said.find(":")
    is_ref = bool(at and head and ref) and ":" not in ref and len(head) > begins_at
    repo, ref = (head, ref) if is_ref else (said, "")
    is_address = "://" in repo or ":" in repo.partition("/")[0]
    return (repo if is_address else str(Path(repo).absolute())), ref or None


def key_of_directory(place: str) -> str:
    """Return the key that tasks share which work in one directory."""
    return f"dir:{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}"


def _wishes(said: CommandFlags, kind: str) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    if kind == "repo":
        repo, ref = split_ref(said.repo or ".")
        wishes |= {"repo": repo} | ({} if ref is None else {"ref": ref})
    for name, files in (("copy", said.copy), ("cache", said.cache)):
        if files:
            wishes[name] = files if kind == "repo" else [str(Path(f).absolute()) for f in files]
    if said.setup:
        wishes["setup"] = said.setup
    if said.teardown:
        wishes["teardown"] = said.teardown
    if said.keep is not None:
        wishes["keep"] = said.keep
    if said.in_place:
        wishes["in_place"] = True
    if said.disk is not None:
        wishes["max_bytes"] = said.disk
    return wishes
