"""Look over the running attempts ten times a second: what is due, and may they go on?

One look for all of them, instead of timers for each: an attempt that ends within 100 ms costs
nothing here.
"""

import asyncio
from typing import Final, Never

from hive_contracts.clocks import Clock
from hive_contracts.outcomes import Released, Silent
from hive_telemetry.logs import logger
from hive_telemetry.metrics import Metrics
from hive_worker.attempts import RunningAttempt
from hive_worker.proof import Proof
from hive_worker.recorder import Recorder
from hive_worker.runner import Runner
from hive_worker.settings import WorkerSettings
from hive_worker.slots import Slots

__all__ = ["Watch"]

LOOK_SECONDS: Final = 0.1
HELD_UP_SECONDS: Final = 1.0
"""A look that comes so late judges nobody: what was said meanwhile has not been heard yet."""

OUTPUT_SECONDS: Final = 1.0
UNPROVED: Final = Released("its worker could not renew the lease, and stopped it in time")


class Watch:
    """Writes late starts and output, hands back what waits, stops and lets go."""

    name = "watch"

    def __init__(
        self,
        runner: Runner,
        slots: Slots,
        recorder: Recorder,
        proof: Proof,
        *,
        abandons: bool = True,
        settings: WorkerSettings,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._runner = runner
        self._slots = slots
        self._recorder = recorder
        self._proof = proof
        self._abandons = abandons
        self.stuck = 0
        """How many attempts do not stop, and keep their slots."""

        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._looked_at = clock.seconds()

    async def run(self) -> Never:
        """Look until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(LOOK_SECONDS)

    def tick(self) -> None:
        """Look once."""
        if not self._proof.holds:
            self._stop_everything()
            return
        was_held_up = self._was_held_up()
        self._write_late_starts()
        if not was_held_up:
            self._end_silence()
            self._see_what_is_stuck()
        self._write_output()
        for leased in self._slots.take_overdue(seconds=self._settings.hand_back_seconds):
            self._runner.give_up(leased.task, Released("no slot of its worker was free"))
        busy = self._slots.busy
        self._metrics.show_slots(busy=busy, free=self._slots.count - busy)

    def _stop_everything(self) -> None:
        for leased in self._slots.take_all():
            self._runner.give_up(leased.task, UNPROVED)
        self._runner.call_off(list(self._runner.running), UNPROVED)

    def _write_late_starts(self) -> None:
        limit = self._clock.seconds() - self._settings.late_start_seconds
        for attempt in self._runner.running.values():
            if attempt.began_at > limit:
                break  # they are in the order in which they began
            if not attempt.is_start_written and not attempt.is_start_on_its_way:
                self._recorder.write_late_start(attempt)

    def _was_held_up(self) -> bool:
        before, self._looked_at = self._looked_at, self._clock.seconds()
        return self._looked_at - before > HELD_UP_SECONDS

    def _see_what_is_stuck(self) -> None:
        now, limit = self._clock.seconds(), self._settings.stuck_after_seconds
        stuck = 0
        for attempt in list(self._runner.running.values()):
            if attempt.verdict is None:
                continue
            if attempt.stopping_since is None:
                attempt.stopping_since = now
            elif now - attempt.stopping_since > limit:
                stuck += not self._let_go(attempt)
        self.stuck = stuck

    def _let_go(self, attempt: RunningAttempt) -> bool:
        """Report an attempt that is stuck; abandon it, and return True, if that may be done."""
        can_be_abandoned = self._abandons and attempt.may_be_abandoned
        if not attempt.is_stuck:
            attempt.is_stuck = True
            logger(__name__).error(
                "an attempt does not stop",
                task=attempt.task.id,
                kind=attempt.task.kind,
                is_abandoned=can_be_abandoned,
            )
        if can_be_abandoned:
            self._runner.abandon(attempt, after_seconds=self._settings.stuck_after_seconds)
        return can_be_abandoned

    def _end_silence(self) -> None:
        now = self._clock.seconds()
        for attempt in self._runner.running.values():
            limit = attempt.task.silence_timeout
            if limit is None or attempt.heard_at is None:
                continue
            if attempt.has_shown_life:
                attempt.has_shown_life, attempt.heard_at = False, now
            elif now - attempt.heard_at > limit.total_seconds():
                attempt.call_off(Silent(limit))

    def _write_output(self) -> None:
        """Write what is new: the first of it at once, for who waits to see it, then each second."""
        now = self._clock.seconds()
        for attempt in self._runner.running.values():
            output, written_at = attempt.output, attempt.output_written_at
            if output is None:
                continue
            is_due = written_at is None or now - written_at >= OUTPUT_SECONDS
            if is_due or output.is_worth_writing:
                pieces = output.take(is_final=False)
                if pieces:
                    attempt.output_written_at = now
                    self._recorder.write_output(pieces)
