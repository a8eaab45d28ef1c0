"""Leave in good order: take nothing more, finish what runs, give back the rest.

    first SIGTERM    nothing new is taken; what waits for a slot goes back at once, uncounted;
                     what runs may finish within the grace
    after the grace, or at a second SIGTERM
                     what still runs is stopped, its whole tree, and goes back, uncounted
    then             every outcome is written, and the worker may sign off

A worker that cannot write any more, because Postgres is away, leaves when its leases have lapsed in
any case: from then on what it holds belongs to others.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from hive_contracts.outcomes import Released
from hive_dispatch.receiver import BundleReceiver
from hive_telemetry.logs import logger
from hive_worker.acceptor import Acceptor
from hive_worker.lines import Lines
from hive_worker.recorder import Recorder
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings
from hive_worker.slots import Slots

__all__ = ["Drain"]

LOOK_SECONDS: Final = 0.05
DRAINING: Final = Released("its worker was told to stop")


class Drain:
    """The way out of a worker."""

    def __init__(
        self,
        receivers: Sequence[BundleReceiver | Lines],
        acceptor: Acceptor,
        slots: Slots,
        runner: Runner,
        recorder: Recorder,
        *,
        settings: WorkerSettings,
    ) -> None:
        self._receivers = receivers
        self._acceptor = acceptor
        self._slots = slots
        self._runner = runner
        self._recorder = recorder
        self._settings = settings
        self._is_wanted = asyncio.Event()
        self._is_urgent = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether the worker is on its way out."""
        return self._is_wanted.is_set()

    def ask(self) -> None:
        """Begin to leave; asked again, leave at once."""
        (self._is_urgent if self.has_begun else self._is_wanted).set()

    async def wait_until_asked(self) -> None:
        """Return once the worker is to leave."""
        await self._is_wanted.wait()

    async def run(self) -> None:
        """Leave; return when nothing of any task runs here and what could be written is written."""
        logger(__name__).info("draining", running=len(self._runner.running))
        for receiver in self._receivers:
            receiver.stop_taking()
        self._slots.stop_taking()
        await self._let_finish()
        self._runner.call_off(list(self._runner.running), DRAINING)
        while self._runner.running:
            await self._look()
        try:
            async with asyncio.timeout(self._settings.lease_seconds):
                while self._acceptor.is_busy:
                    await self._look()
                await self._recorder.wait_until_written()
        except TimeoutError:
            logger(__name__).warning(
                "left without writing everything", unwritten=self._recorder.unwritten
            )

    async def _let_finish(self) -> None:
        """Wait for running attempts until the grace is over or somebody is in a hurry."""
        # Once in any case: a receiver may be in the middle of taking something.
        await self._look()
        try:
            async with asyncio.timeout(self._settings.grace_seconds):
                while self._runner.running and not self._is_urgent.is_set():
                    await self._look()
        except TimeoutError:
            logger(__name__).info("the grace is over", running=len(self._runner.running))

    async def _look(self) -> None:
        """Give back what waits, also what was accepted in the last moment; then pause."""
        await asyncio.sleep(LOOK_SECONDS)
        for leased in self._slots.take_overdue(seconds=0):
            self._runner.give_up(leased.task, DRAINING)
