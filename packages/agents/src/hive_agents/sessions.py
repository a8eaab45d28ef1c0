"""Which session an attempt has begun, so that the next one goes on with it.

Agents keep their sessions on the machine where they ran, so this is kept there as well: one small
file for a task, written as soon as the session is known, so that it outlives the worker. On another
machine an agent begins anew. With the session stands what the task has used up, for its budget.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from hive_agents.budgets import NOTHING, Spent
from hive_contracts.errors import MalformedPayloadError, UnstorableValueError
from hive_contracts.leased import Task
from hive_contracts.wire import decode_payload, encode_json

__all__ = ["Notes", "Sessions"]

KEPT: Final = timedelta(days=30)
"""Nobody goes on with what nobody has touched for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What is known of the attempts of a task before this one."""

    payload: str
    """A digest of the task's payload: another database may have a task of the same number."""

    session: str | None = None
    spent: Spent = NOTHING
    has_asked: bool = False
    """Whether the last of them ended with a question, so that an answer is what comes next."""

    session_is_gone: bool = False
    """Whether the program no longer knows its session, nor the one that its payload names."""

    is_price_unknown: bool = False
    """Whether one of them has ended, or was killed, before it said what it cost."""


class Sessions:
    """The notes of one machine."""

    def __init__(self, folder: Path | None) -> None:
        """Keep them in `folder`; with None, keep none."""
        self._folder = folder

    def read(self, task: Task) -> Notes:
        """Return what is known of earlier attempts of a task; of a first one, nothing."""
        fresh = Notes(payload=_digest(task))
        if self._folder is None or (task.attempt <= 1 and not task.given_back):
            return fresh
        try:
            text = self._file(task, self._folder).read_text(encoding="utf-8")
            notes = decode_payload("session", text, Notes)
        except (OSError, ValueError, MalformedPayloadError):
            return fresh
        return notes if notes.payload == fresh.payload else fresh

    def write(self, task: Task, notes: Notes) -> None:
        """Write down what is known now. A disk that takes it not costs the session, and no more."""
        if self._folder is None:
            return
        file = self._file(task, self._folder)
        new = file.with_suffix(".new")
        with suppress(OSError, UnstorableValueError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                out.write(encode_json(asdict(notes)))
            new.replace(file)

    def forget(self, task: Task) -> None:
        """Delete what is known of a task."""
        if self._folder is not None:
            with suppress(OSError):
                self._file(task, self._folder).unlink()

    def sweep(self, *, now_seconds: float) -> None:
        """Delete what nobody has touched for long; `now_seconds` is since 1970."""
        if self._folder is None or not self._folder.is_dir():
            return
        for file in self._folder.glob("*.json"):
            with suppress(OSError):
                if file.stat().st_mtime < now_seconds - KEPT.total_seconds():
                    file.unlink()

    @staticmethod
    def _file(task: Task, folder: Path) -> Path:
        return folder / f"{task.id}.json"


def _digest(task: Task) -> str:
    return hashlib.sha256(task.payload.encode(errors="surrogatepass")).hexdigest()[:32]
