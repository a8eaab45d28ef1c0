"""Every metric that Hive exports: its name, its labels, and what it means.

The code that counts (`hive_telemetry.metrics`) and the page that explains (docs/metrics.md) are
both made from these declarations. A metric is declared together with the code that feeds it.

Labels are words from small closed sets, or names that people chose (queue, kind). No label is a
task, a lease or a process: a series that nobody will ever write again is never deleted.
"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

__all__ = ["DURATION_BUCKETS_SECONDS", "METRICS", "Declaration", "MetricType"]


@unique
class MetricType(StrEnum):
    """How a metric is counted. The values are Prometheus's words."""

    COUNTER = "counter"
    """Only rises while its process lives; look at its rate."""

    GAUGE = "gauge"
    """A value of now. Absent until it is known, and absent again when it no longer is."""

    HISTOGRAM = "histogram"
    """How many observations fell below each bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One metric."""

    name: str
    type: MetricType
    labels: tuple[str, ...] = ()
    help: str
    """What it means, as a sentence."""


DURATION_BUCKETS_SECONDS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0,
)  # fmt: skip
"""Upper bounds, from a no-op (1 ms) to an agent's afternoon (4 h)."""


def _counter(name: str, help_text: str, *labels: str) -> Declaration:
    return Declaration(name=name, type=MetricType.COUNTER, labels=labels, help=help_text)


def _gauge(name: str, help_text: str, *labels: str) -> Declaration:
    return Declaration(name=name, type=MetricType.GAUGE, labels=labels, help=help_text)


def _histogram(name: str, help_text: str, *labels: str) -> Declaration:
    return Declaration(name=name, type=MetricType.HISTOGRAM, labels=labels, help=help_text)


METRICS: Final = (
    _gauge("hive_tasks", "Tasks by state, as one queen last counted them.", "queue", "state"),
    _gauge(
        "hive_queue_oldest_ready_timestamp_seconds",
        "When the oldest queued task fell due; absent while none waits. "
        "Its age is how far the queue is behind.",
        "queue",
    ),
    _gauge(
        "hive_tasks_parked",
        "Scheduled tasks that are set aside for a while, or until somebody lets them go on, as one "
        "queen last counted them.",
        "queue",
    ),
    _gauge(
        "hive_tasks_needing_answer",
        "Tasks that ask a person something and wait for the answer, as one queen last counted "
        "them.",
        "queue",
    ),
    _gauge(
        "hive_tasks_unmet",
        "Tasks, queued or held up by a limit, that need labels or slots which no living worker of "
        "their queue has, as one queen last counted them.",
        "queue",
    ),
    _counter(
        "hive_tasks_finished_total",
        "Tasks that ended, by the outcome of their last attempt. Those called off before anybody "
        "had them are counted by the queen that has the term.",
        "queue",
        "kind",
        "outcome",
    ),
    _counter(
        "hive_task_attempts_total",
        "Attempts that ended, also those that another follows.",
        "queue",
        "kind",
        "outcome",
    ),
    _counter(
        "hive_spent_usd_total",
        "US dollars that attempts have spent, as they told it; a price that nobody knows is not in "
        "it.",
        "queue",
    ),
    _counter(
        "hive_spent_tokens_total",
        "Tokens that attempts have spent, as they told it.",
        "queue",
        "direction",
    ),
    _histogram(
        "hive_task_queue_wait_seconds",
        "How long tasks were due before they were leased, by the database's clock.",
        "queue",
    ),
    _histogram(
        "hive_task_run_seconds",
        "How long attempts ran in their slots.",
        "queue",
        "kind",
        "outcome",
    ),
    _gauge("hive_worker_slots", "Slots of this worker process, busy and free.", "state"),
    _gauge(
        "hive_worker_last_heartbeat_timestamp_seconds",
        "When this worker last renewed its leases.",
    ),
    _gauge(
        "hive_stuck_handlers",
        "What this worker was to stop and does not: abandoned functions, processes that no signal "
        "ends, and its own event loop if that is blocked.",
    ),
    _counter(
        "hive_handlers_abandoned_total",
        "Attempts that ignored their cancellation, and whose slots were opened again.",
    ),
    _counter("hive_leases_expired_total", "Leases that ran out and were reaped.", "queue"),
    _counter(
        "hive_stale_writes_total",
        "Writes that named a lapsed lease and therefore changed nothing.",
    ),
    _counter(
        "hive_stranded_tasks_total",
        "Tasks that waited for others though these had long ended; a sweep lets them go on."
        " It stays 0, or tells of a fault in Hive.",
    ),
    _counter("hive_claims_total", "Claims that this queen made, empty ones included."),
    _counter("hive_claimed_tasks_total", "Tasks that those claims leased."),
    _gauge("hive_queen_permits", "Permits of this queen, held and free.", "state"),
    _counter(
        "hive_events_published_total",
        "Messages that this process told on the bus and that Redis took.",
    ),
    _counter(
        "hive_events_dropped_total",
        "Messages that did not get onto the bus; what they told of is in the log all the same.",
    ),
    _counter(
        "hive_bus_malformed_total",
        "Messages from the bus that this Hive did not understand and skipped.",
    ),
    _counter(
        "hive_bundles_malformed_total",
        "Bundles that this Hive did not understand and left to lapse; another worker may.",
        "queue",
    ),
    _counter(
        "hive_bundles_lapsing_total",
        "Bundles left to lapse because Postgres was away when they were to be accepted.",
        "queue",
    ),
    _gauge(
        "hive_event_log_default_rows",
        "Rows in the event log's default partition. Above 0, the partition of a day was missing.",
    ),
    _gauge(
        "hive_oldest_transaction_age_seconds",
        "Age of the oldest open transaction; the tail of the event log cannot be read past it.",
    ),
    _gauge("hive_webhooks", "Webhooks by how they fare: active, failing, paused.", "state"),
    _gauge(
        "hive_webhook_oldest_pending_seconds",
        "How long the oldest pending delivery of any webhook has been pending; absent if none is.",
    ),
    _counter(
        "hive_webhook_deliveries_total",
        "Tries of this queen to deliver, by what came of them: delivered or failed.",
        "outcome",
    ),
    _gauge("hive_queue_paused", "1 for each queue that is paused; absent for others.", "queue"),
    _gauge("hive_limit_running", "Leased tasks that a limit counts.", "limit"),
    _gauge("hive_limit_max_running", "How many such tasks the limit allows.", "limit"),
    _gauge("hive_limit_held_up", "Tasks that are blocked because a limit is reached.", "limit"),
    _gauge(
        "hive_breaker_open",
        "1 while a breaker is open, 0 while one task after another tries it; absent while it is "
        "closed.",
        "breaker",
    ),
    _gauge("hive_breaker_waiting", "Tasks that wait for a breaker.", "breaker"),
    _counter("hive_schedule_ticks_submitted_total", "Ticks of schedules that became tasks."),
    _counter(
        "hive_schedule_ticks_skipped_total",
        "Ticks of schedules that were left out: missed, or an earlier one's task had not ended.",
        "reason",
    ),
    _histogram(
        "hive_schedule_lateness_seconds",
        "How long after their moment ticks were submitted, by the database's clock.",
    ),
    _counter(
        "hive_tasks_pruned_total",
        "Finished tasks deleted by this queen because they had been kept for long enough.",
        "queue",
        "state",
    ),
    _gauge(
        "hive_oldest_finished_task_timestamp_seconds",
        "When the oldest finished task ended that the last walk has kept; absent while there is "
        "none, and without the term.",
    ),
    _gauge(
        "hive_retention_behind_seconds",
        "For how long the most overdue finished task of the last batch was due; 0 after a whole "
        "walk. Absent without the term.",
    ),
    _counter(
        "hive_model_tokens_total",
        "Tokens of texts that models have read (in) and made (out), vectors having none out.",
        "model",
        "direction",
    ),
    _histogram(
        "hive_model_wait_seconds",
        "How long requests waited for room in a model's batch; its loading does not count.",
        "model",
    ),
    _gauge(
        "hive_model_requests",
        "Requests that a model of this worker has: running in its batch, or waiting for room.",
        "model",
        "state",
    ),
    _gauge(
        "hive_model_batch_room",
        "Requests that could run at once in a model's processes; those that run, divided by it, "
        "are the occupancy of its batch.",
        "model",
    ),
    _gauge(
        "hive_model_load_seconds",
        "How long the process that was ready last took to load a model; absent while it is not "
        "loaded.",
        "model",
    ),
    _counter(
        "hive_model_requests_lost_total",
        "Requests whose process has died; their tasks are given back.",
        "model",
    ),
    _counter("hive_loop_retries_total", "Rounds of a loop that met something away.", "loop"),
)
"""Every metric, in the order of the documentation."""
