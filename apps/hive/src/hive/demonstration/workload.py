"""The tasks of the demonstration: for each file one process that compiles it, one call that counts."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive.demonstration import digest
from hive_contracts.ids import TaskId
from hive_contracts.tasks import NewTask

__all__ = ["Piece", "pieces_of", "task_for"]

COUNT_TOKENS: Final = "hive_calls.demonstration:count_tokens"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of work: what is to be done with one file."""

    path: str
    kind: str
    """`command` compiles it, `call` counts its tokens."""


    """A piece that was handed to the Hive."""

    piece: Piece
    task_id: TaskId


def pieces_of(paths: Sequence[str]) -> list[Piece]:
    """Return the work that there is on files, the two kinds by turns."""
    return [Piece(path, kind) for path in paths for kind in ("command", "call")]


def task_for(piece: Piece) -> NewTask:
    """Return the task that does a piece of work."""
    if piece.kind == "call":
        payload = {"function": COUNT_TOKENS, "args": [piece.path]}
        # A broken file stays broken: trying again would only take time.
        return NewTask(kind="call", payload=payload, max_attempts=1)
    program = Path(digest.__file__).read_text(encoding="utf-8")
    argv = [sys.executable, "-I", "-S", "-c", program, piece.path]
    return NewTask(kind="command", payload={"argv": argv})
