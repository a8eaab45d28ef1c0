"""What is told of a command if its task asks: the files that it changed, and its whole output."""

import asyncio
from pathlib import Path
from typing import Any

from hive_process.changes import Snapshot, changes_since, take_snapshot
from hive_process.payload import CommandPayload
from hive_process.whole_output import WholeOutput

__all__ = ["Records"]


class Records:
    """What one command leaves, to be told in its result."""

    def __init__(self, payload: CommandPayload) -> None:
        self._payload = payload
        self._before: Snapshot | None = None
        self.whole: WholeOutput | None = None
        """Where its whole output goes; None if nowhere."""

    @property
    def _folder(self) -> Path:
        return Path(self._payload.cwd or ".")

    async def begin(self) -> None:
        """Open what is to be written, and look at what is there, before the command starts.

        Raises:
            OSError: the file cannot be written to, or is no regular file.
            ConfigurationError: the URL cannot be written to from here.
        """
        if self._payload.output_file is not None:
            self.whole = WholeOutput(self._payload.output_file, self._folder)
        if self._payload.files_changed:
            self._before = await asyncio.to_thread(take_snapshot, self._folder)

    async def finish(self, *, is_hurried: bool = False) -> None:
        """Send what is to be sent, once the command has ended and all of its output is read.

        Args:
            is_hurried: whether it was called off; then this takes some seconds at most.
        """
        if self.whole is not None:
            await self.whole.finish(is_hurried=is_hurried)

    @property
    def faults(self) -> dict[str, Any]:
        """What its result is to say of what could not be written."""
        if self.whole is None or self.whole.error is None:
            return {}
        return {"output_file_error": self.whole.error}

    async def changes(self) -> dict[str, Any]:
        """Return what its result is to say of the files in its directory."""
        if not self._payload.files_changed:
            return {}
        return await asyncio.to_thread(changes_since, self._before, self._folder)
