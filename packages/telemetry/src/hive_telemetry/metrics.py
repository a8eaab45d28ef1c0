"""Hive's metrics, as methods named for what happened.

A `Metrics` has a registry of its own: nothing is global, and two of them in one process do not
meet. Counting is cheap enough for every flush and is meant to be done once per flush: methods take
counts and sequences, never one task. Any thread may count.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from hive_contracts.limits import Breaker, UsedLimit
from hive_contracts.outcomes import OutcomeName
from hive_contracts.schedules import SkipReason
from hive_contracts.states import TaskState
from hive_telemetry.catalogue import DURATION_BUCKETS_SECONDS, METRICS
from hive_telemetry.instruments import Counter, Gauge, Histogram, Tally

__all__ = ["BundleCounts", "BusCounts", "Metrics", "ModelState"]

InstrumentT = TypeVar("InstrumentT", Counter, Gauge, Histogram, Tally)

DECLARED: Final = {declared.name: declared for declared in METRICS}


class BusCounts(Protocol):
    """What a bus counts of its messages."""

    sent: int
    malformed: int

    @property
    def dropped(self) -> int:
        """How many were lost."""
        ...


class BundleCounts(Protocol):
    """What a receiver counts of the bundles that it left to lapse."""

    malformed: int
    lapsing: int


class ModelState(Protocol):
    """How a model that is loaded does."""

    @property
    def waiting(self) -> int:
        """How many requests wait for room."""
        ...

    @property
    def running(self) -> int:
        """How many run."""
        ...

    @property
    def room(self) -> int:
        """How many could run at once."""
        ...

    @property
    def load_seconds(self) -> float:
        """How long it took to load."""
        ...


class Metrics:
    """Everything that one process counts."""

    def __init__(self) -> None:  # noqa: PLR0915 - a line for each metric
        self.registry = CollectorRegistry(auto_describe=False)
        self._tasks = self._gauge("hive_tasks")
        self._oldest_ready = self._gauge("hive_queue_oldest_ready_timestamp_seconds")
        self._parked = self._gauge("hive_tasks_parked")
        self._needing_answer = self._gauge("hive_tasks_needing_answer")
        self._unmet = self._gauge("hive_tasks_unmet")
        self._finished = self._counter("hive_tasks_finished_total")
        self._spent_usd = self._counter("hive_spent_usd_total")
        self._spent_tokens = self._counter("hive_spent_tokens_total")
        self._attempts = self._counter("hive_task_attempts_total")
        self._queue_wait = self._histogram("hive_task_queue_wait_seconds")
        self._run = self._histogram("hive_task_run_seconds")
        self._slots = self._gauge("hive_worker_slots")
        self._heartbeat = self._gauge("hive_worker_last_heartbeat_timestamp_seconds")
        self._stuck = self._gauge("hive_stuck_handlers")
        self._abandoned = self._counter("hive_handlers_abandoned_total")
        self._expired = self._counter("hive_leases_expired_total")
        self._stale = self._counter("hive_stale_writes_total")
        self._stranded = self._counter("hive_stranded_tasks_total")
        self._claims = self._counter("hive_claims_total")
        self._claimed = self._counter("hive_claimed_tasks_total")
        self._permits = self._gauge("hive_queen_permits")
        self._published = self._tally("hive_events_published_total")
        self._dropped = self._tally("hive_events_dropped_total")
        self._bus_malformed = self._tally("hive_bus_malformed_total")
        self._bundles_malformed = self._tally("hive_bundles_malformed_total")
        self._bundles_lapsing = self._tally("hive_bundles_lapsing_total")
        self._default_rows = self._gauge("hive_event_log_default_rows")
        self._transaction_age = self._gauge("hive_oldest_transaction_age_seconds")
        self._webhooks = self._gauge("hive_webhooks")
        self._oldest_pending = self._gauge("hive_webhook_oldest_pending_seconds")
        self._deliveries = self._counter("hive_webhook_deliveries_total")
        self._paused = self._gauge("hive_queue_paused")
        self._limit_running = self._gauge("hive_limit_running")
        self._limit_max = self._gauge("hive_limit_max_running")
        self._limit_held_up = self._gauge("hive_limit_held_up")
        self._breaker_open = self._gauge("hive_breaker_open")
        self._breaker_waiting = self._gauge("hive_breaker_waiting")
        self._ticks_submitted = self._counter("hive_schedule_ticks_submitted_total")
        self._ticks_skipped = self._counter("hive_schedule_ticks_skipped_total")
        self._lateness = self._histogram("hive_schedule_lateness_seconds")
        self._pruned = self._counter("hive_tasks_pruned_total")
        self._oldest_finished = self._gauge("hive_oldest_finished_task_timestamp_seconds")
        self._retention_behind = self._gauge("hive_retention_behind_seconds")
        self._model_tokens = self._counter("hive_model_tokens_total")
        self._model_wait = self._histogram("hive_model_wait_seconds")
        self._model_requests = self._gauge("hive_model_requests")
        self._model_room = self._gauge("hive_model_batch_room")
        self._model_load = self._gauge("hive_model_load_seconds")
        self._model_lost = self._counter("hive_model_requests_lost_total")
        self._loop_retries = self._counter("hive_loop_retries_total")

    def attempts_ended(
        self, queue: str, kind: str, outcome: OutcomeName, run_seconds: Iterable[float]
    ) -> None:
        """Count attempts that ended alike, given how long each ran."""
        seconds = list(run_seconds)
        labels = (queue, kind, outcome.value)
        self._attempts.add(len(seconds), labels)
        self._run.observe(seconds, labels)

    def attempts_lost(self, queue: str, kind: str, outcome: OutcomeName, count: int = 1) -> None:
        """Count attempts that the reaper ended: nobody knows how long they ran."""
        self._attempts.add(count, (queue, kind, outcome.value))

    def tasks_finished(self, queue: str, kind: str, outcome: OutcomeName, count: int = 1) -> None:
        """Count tasks that reached a terminal state, by the outcome of their last attempt."""
        self._finished.add(count, (queue, kind, outcome.value))

    def spent(
        self, queue: str, *, microdollars: int, input_tokens: int, output_tokens: int
    ) -> None:
        """Count what an attempt has spent more than it had told before."""
        self._spent_usd.add(microdollars / 1e6, (queue,))
        self._spent_tokens.add(input_tokens, (queue, "input"))
        self._spent_tokens.add(output_tokens, (queue, "output"))

    def tasks_waited(self, queue: str, seconds: Iterable[float]) -> None:
        """Count leased tasks by how long each was due before."""
        self._queue_wait.observe(seconds, (queue,))

    def show_tasks(self, counts: Mapping[tuple[str, TaskState], int]) -> None:
        """Show how many tasks are in each (queue, state). Empty: this process does not know."""
        self._tasks.show({(queue, state.value): count for (queue, state), count in counts.items()})

    def show_oldest_ready(self, timestamps: Mapping[str, float]) -> None:
        """Show, by queue, the Unix time at which its oldest queued task fell due."""
        self._oldest_ready.show({(queue,): moment for queue, moment in timestamps.items()})

    def show_parked(self, counts: Mapping[str, int]) -> None:
        """Show, by queue, how many scheduled tasks are set aside."""
        self._parked.show({(queue,): count for queue, count in counts.items()})

    def show_needing_answer(self, counts: Mapping[str, int]) -> None:
        """Show, by queue, how many tasks wait for an answer."""
        self._needing_answer.show({(queue,): count for queue, count in counts.items()})

    def show_unmet(self, counts: Mapping[str, int]) -> None:
        """Show, by queue, how many waiting tasks need what no living worker of it has."""
        self._unmet.show({(queue,): count for queue, count in counts.items()})

    def show_slots(self, *, busy: int, free: int) -> None:
        """Show the slots of this worker process."""
        self._slots.show({("busy",): busy, ("free",): free})

    def show_stuck(self, count: int) -> None:
        """Show how much of what this worker was to stop does not."""
        self._stuck.show({(): count})

    def handlers_abandoned(self, count: int = 1) -> None:
        """Count attempts whose slots were opened again."""
        self._abandoned.add(count)

    def show_heartbeat(self, timestamp: float) -> None:
        """Show the Unix time at which this worker last renewed its leases."""
        self._heartbeat.show({(): timestamp})

    def leases_expired(self, queue: str, count: int = 1) -> None:
        """Count leases that ran out and were reaped."""
        self._expired.add(count, (queue,))

    def stale_writes(self, count: int = 1) -> None:
        """Count writes that named a lapsed lease and changed nothing."""
        self._stale.add(count)

    def tasks_stranded(self, count: int) -> None:
        """Count tasks that waited for nothing; 0 makes the metric show."""
        self._stranded.add(count)

    def claimed(self, tasks: int) -> None:
        """Count one claim that leased so many tasks, 0 included."""
        self._claims.add()
        self._claimed.add(tasks)

    def show_permits(self, *, held: int, free: int) -> None:
        """Show the permits of this queen."""
        self._permits.show({("held",): held, ("free",): free})

    def read_bus(self, bus: BusCounts) -> None:
        """Have what a bus counts read at each scrape."""
        self._published.read_from(lambda: bus.sent)
        self._dropped.read_from(lambda: bus.dropped)
        self._bus_malformed.read_from(lambda: bus.malformed)

    def read_bundles(self, queue: str, bundles: BundleCounts) -> None:
        """Have read at each scrape how many bundles of a queue were left to lapse, and why."""
        self._bundles_malformed.read_from(lambda: bundles.malformed, (queue,))
        self._bundles_lapsing.read_from(lambda: bundles.lapsing, (queue,))

    def show_event_log_default_rows(self, rows: int) -> None:
        """Show how many events fell into the default partition."""
        self._default_rows.show({(): rows})

    def show_oldest_transaction_age(self, seconds: float | None) -> None:
        """Show the age of the oldest open transaction; None when none is open or it is unknown."""
        self._transaction_age.show({} if seconds is None else {(): seconds})

    def show_webhooks(self, counts: Mapping[str, int], oldest_seconds: float | None) -> None:
        """Show webhooks by state, and how long the oldest pending delivery has been pending."""
        self._webhooks.show({(state,): count for state, count in counts.items()})
        self._oldest_pending.show({} if oldest_seconds is None else {(): oldest_seconds})

    def delivered(self, outcome: str) -> None:
        """Count a try to deliver to a webhook: `delivered` or `failed`."""
        self._deliveries.add(1, (outcome,))

    def show_paused(self, queues: Iterable[str]) -> None:
        """Show which queues are paused. Empty: none is, or this process does not know."""
        self._paused.show({(queue,): 1 for queue in queues})

    def show_limits(self, limits: Iterable[UsedLimit]) -> None:
        """Show how far each limit is used. Empty: there is none, or it is not known here."""
        known = list(limits)
        self._limit_running.show({(used.limit.name,): used.running for used in known})
        self._limit_held_up.show({(used.limit.name,): used.held_up for used in known})
        self._limit_max.show(
            {
                (used.limit.name,): used.limit.max_running
                for used in known
                if used.limit.max_running is not None
            }
        )

    def show_breakers(self, breakers: Iterable[Breaker]) -> None:
        """Show the breakers that are not closed. Empty: there is none, or it is not known here."""
        known = list(breakers)
        self._breaker_open.show({(breaker.name,): int(breaker.is_open) for breaker in known})
        self._breaker_waiting.show({(breaker.name,): breaker.waiting for breaker in known})

    def ticks_submitted(self, late_seconds: Sequence[float]) -> None:
        """Count ticks of schedules that became tasks, given how late each was."""
        if late_seconds:
            self._ticks_submitted.add(len(late_seconds))
            self._lateness.observe(late_seconds)

    def ticks_skipped(self, reason: SkipReason, count: int) -> None:
        """Count ticks of schedules that were left out."""
        self._ticks_skipped.add(count, (reason.value,))

    def tasks_pruned(self, queue: str, state: TaskState, count: int) -> None:
        """Count finished tasks that were deleted."""
        self._pruned.add(count, (queue, state.value))

    def show_oldest_finished(self, timestamp: float | None) -> None:
        """Show the Unix time at which the oldest finished task ended; None: it is not known."""
        self._oldest_finished.show({} if timestamp is None else {(): timestamp})

    def show_retention_behind(self, seconds: float | None) -> None:
        """Show how late finished tasks leave; None: this process does not know."""
        self._retention_behind.show({} if seconds is None else {(): seconds})

    def model_tokens(self, model: str, *, read: int = 0, made: int = 0) -> None:
        """Count tokens of a request to a model."""
        self._model_tokens.add(read, (model, "in"))
        self._model_tokens.add(made, (model, "out"))

    def model_waited(self, model: str, seconds: Iterable[float]) -> None:
        """Count requests to a model by how long each waited for room."""
        self._model_wait.observe(seconds, (model,))

    def model_lost(self, model: str) -> None:
        """Count a request whose process has died."""
        self._model_lost.add(1, (model,))

    def read_models(self, models: Callable[[], Mapping[str, ModelState]]) -> None:
        """Have read at each scrape how the models do that are loaded, by their names."""
        self._model_requests.read_from(
            lambda: {
                (name, state): count
                for name, model in models().items()
                for state, count in (("running", model.running), ("waiting", model.waiting))
            }
        )
        self._model_room.read_from(lambda: {(n,): model.room for n, model in models().items()})
        self._model_load.read_from(
            lambda: {(n,): model.load_seconds for n, model in models().items()}
        )

    def loop_retried(self, loop: str, count: int = 1) -> None:
        """Count rounds of `loop` that met something away; 0 makes the loop show."""
        self._loop_retries.add(count, (loop,))

    def value(self, name: str, **labels: str) -> float | None:
        """Return one sample as Prometheus would see it; None if it is not exported."""
        return self.registry.get_sample_value(name, labels)

    def exposition(self) -> str:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry).decode()

    def _counter(self, name: str) -> Counter:
        return self._register(Counter(DECLARED[name]))

    def _tally(self, name: str) -> Tally:
        return self._register(Tally(DECLARED[name]))

    def _gauge(self, name: str) -> Gauge:
        return self._register(Gauge(DECLARED[name]))

    def _histogram(self, name: str) -> Histogram:
        return self._register(Histogram(DECLARED[name], DURATION_BUCKETS_SECONDS))

    def _register(self, instrument: InstrumentT) -> InstrumentT:
        self.registry.register(instrument)
        return instrument
