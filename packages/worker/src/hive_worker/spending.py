"""What attempts have spent, on its way to the store, and what budgets say to it.

What gathers while one write is under way goes into the next, so that 500 attempts that spend cost a
statement and not 500. What a task has told last is written before its end, which lets it go.
"""

import asyncio

from hive_contracts.errors import StaleLeaseError
from hive_contracts.spending import Spending
from hive_store.worker_store import WorkerStore
from hive_telemetry.metrics import Metrics
from hive_worker.attempts import RunningAttempt

__all__ = ["Spendings"]

NOTHING = Spending()


class Spendings:
    """Gathers what attempts have told, and writes it."""

    def __init__(self, store: WorkerStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._waiting: list[tuple[RunningAttempt, asyncio.Future[str | None] | None]] = []

    def __bool__(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._waiting)

    def add(self, attempt: RunningAttempt) -> None:
        """Have written what an attempt has told last."""
        self._waiting.append((attempt, None))

    def ask(self, attempt: RunningAttempt) -> "asyncio.Future[str | None]":
        """Have the same written; the answer is which budget is used up, if one is.

        It is a StaleLeaseError if the lease is gone.
        """
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((attempt, answer))
        return answer

    async def write(self) -> None:
        """Write all that waits; if that fails it still waits."""
        batch = list(self._waiting)
        told = {a.task.id: (a, a.spending) for a, _ in batch if a.spending is not None}
        held = await self._store.spend(
            [(i, a.task.lease_id, spending) for i, (a, spending) in told.items()]
        )
        asking = [a.task.id for a, answer in batch if answer is not None and not answer.done()]
        used_up = await self._store.spent_budgets_of(asking) if asking else {}
        del self._waiting[: len(batch)]
        for task_id in held:
            self._count(*told[task_id])
        for attempt, answer in batch:
            if answer is not None and not answer.done():
                if attempt.task.id in told and attempt.task.id not in held:
                    answer.set_exception(StaleLeaseError(attempt.task.id, attempt.task.lease_id))
                else:
                    answer.set_result(used_up.get(attempt.task.id))

    def _count(self, attempt: RunningAttempt, spending: Spending) -> None:
        """Count what is new of it; what was told since waits for the next write."""
        if attempt.spending is spending:
            attempt.spending = None
        before, attempt.written_spending = attempt.written_spending or NOTHING, spending
        self._metrics.spent(
            attempt.task.queue,
            microdollars=_more(spending.microdollars, before.microdollars),
            input_tokens=_more(spending.input_tokens, before.input_tokens),
            output_tokens=_more(spending.output_tokens, before.output_tokens),
        )


def _more(now: int | None, before: int | None) -> int:
    return max(0, (now or 0) - (before or 0))
