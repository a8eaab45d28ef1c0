"""The tasks of the demonstration: a process that compiles each file, a call that counts it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive.demonstration import digest
from hive_contracts.tasks import NewTask

__all__ = ["Piece", "pieces_of", "tasks_for"]

COUNT_TOKENS: Final = "hive_calls.demonstration:count_tokens"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of work: what is to be done with one file."""

    path: str
    kind: str
    """`command` compiles it, `call` counts its tokens."""


def pieces_of(paths: Sequence[str]) -> list[Piece]:
    """Return the work that there is on files, the two kinds by turns."""
    return [Piece(path, kind) for path in paths for kind in ("command", "call")]


def tasks_for(pieces: Sequence[Piece]) -> list[NewTask]:
    """Return the tasks that do the work, in the order given."""
    program = Path(digest.__file__).read_text(encoding="utf-8")
    return [_command(program, piece) if piece.kind == "command" else _call(piece)
            for piece in pieces]  # fmt: skip


def _command(program: str, piece: Piece) -> NewTask:
    argv = [sys.executable, "-I", "-S", "-c", program, piece.path]
    return NewTask(kind="command", payload={"argv": argv})


def _call(piece: Piece) -> NewTask:
    # A broken file stays broken: trying again would only take time.
    payload = {"function": COUNT_TOKENS, "args": [piece.path]}
    return NewTask(kind="call", payload=payload, max_attempts=1)
