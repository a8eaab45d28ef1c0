"""One running command: its pipes, its deadlines, and how it ended."""

import asyncio
from typing import Any

from hive_contracts.execution import Attempt
from hive_contracts.outcomes import Outcome
from hive_contracts.spawning import Exit, Process
from hive_process.deadlines import Deadlines
from hive_process.endings import outcome_of, usage_of
from hive_process.outlet import Outlet
from hive_process.payload import CommandPayload
from hive_process.pipes import Pipes
from hive_process.records import Records
from hive_process.terminal import Terminal

__all__ = ["WatchedCommand"]


class WatchedCommand:
    """A command that has been started, until nothing of it is left."""

    def __init__(
        self,
        process: Process,
        attempt: Attempt,
        *,
        pipes: Pipes | Terminal,
        outlet: Outlet,
        deadlines: Deadlines,
        records: Records,
        grace_seconds: float,
    ) -> None:
        self.usage: dict[str, Any] | None = None
        """How it ended and what it used; None until it has ended."""

        self._process = process
        self._attempt = attempt
        self._pipes = pipes
        self._outlet = outlet
        self._deadlines = deadlines
        self._records = records
        self._grace_seconds = grace_seconds
        self._begun_seconds = 0.0

    async def outcome(self, payload: CommandPayload) -> Outcome:
        """Watch it to its end; return what that means. If cancelled, stop it first.

        Raises:
            ServiceUnavailableError: the guardian died under it; nothing is known of its end.
        """
        self._begun_seconds = asyncio.get_running_loop().time()
        self._deadlines.begin(self.ask_to_stop)
        self._pipes.begin()
        try:
            ended = await self._process.wait()
            await self._pipes.finish()
            self._deadlines.end()
            self._take_usage(ended)
            await self._records.finish()
            changes = await self._records.changes()
        except asyncio.CancelledError:
            ended = await self._stop()
            self._pipes.read_rest()
            if self.usage is None:
                self._take_usage(ended)
            if not self._attempt.is_given_back:
                # The output of another attempt may be there already, and be the whole of it.
                await self._records.finish(is_hurried=True)
            self.usage = {**(self.usage or {}), **self._records.faults}
            raise
        finally:
            self._deadlines.end()
        usage = self.usage = {**(self.usage or {}), **self._records.faults, **changes}
        if self._deadlines.struck is not None and ended.stopped and not ended.fenced:
            return self._deadlines.outcome(usage)
        return outcome_of(ended, payload, usage, last_line=self._outlet.last_line)

    def ask_to_stop(self) -> None:
        """Begin to stop it, and return at once; harmless once it has ended."""
        self._process.ask_to_stop(grace_seconds=self._grace_seconds)

    def _take_usage(self, ended: Exit) -> None:
        run_seconds = asyncio.get_running_loop().time() - self._begun_seconds
        usage = usage_of(ended, run_seconds=run_seconds, written=self._outlet.written)
        self.usage = {**usage, **self._records.faults}

    async def _stop(self) -> Exit:
        """Stop the tree; return once nothing of it is left, however often this is cancelled."""
        ending = self._process.stop(grace_seconds=self._grace_seconds)
        while True:
            try:
                return await ending
            except asyncio.CancelledError:
                # The stop has been asked for; what remains is to wait for it.
                ending = self._process.wait()
