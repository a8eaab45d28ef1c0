from dataclasses import dataclass

import pytest

from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import TaskState
from hive_telemetry.catalogue import METRICS, MetricType
from hive_telemetry.instruments import Counter, Gauge, Histogram, Tally
from hive_telemetry.metrics import Metrics


@dataclass
class Counted:
    """What a bus or a receiver has counted."""

    sent: int = 0
    dropped: int = 0
    malformed: int = 0
    lapsing: int = 0


@dataclass(frozen=True)
class OneModel:
    waiting: int
    running: int
    room: int
    load_seconds: float


def test_every_declared_metric_is_counted_by_exactly_one_instrument() -> None:
    kinds = (Counter, Gauge, Histogram, Tally)
    instruments = [made for made in vars(Metrics()).values() if isinstance(made, kinds)]
    names = sorted(made.name for made in instruments)
    assert names == sorted(declared.name for declared in METRICS)


def test_only_counters_end_in_total_and_units_are_seconds() -> None:
    for declared in METRICS:
        assert declared.name.startswith("hive_")
        assert declared.name.endswith("_total") == (declared.type is MetricType.COUNTER)
        if declared.type is MetricType.HISTOGRAM:
            assert declared.name.endswith("_seconds")


def test_no_label_names_a_task_a_lease_or_a_process() -> None:
    labels = {label for declared in METRICS for label in declared.labels}
    of_tasks = {"queue", "kind", "outcome", "state", "reason", "limit", "breaker"}
    assert labels == of_tasks | {"loop", "model", "direction"}


def test_ended_attempts_are_counted_and_timed_in_bulk() -> None:
    metrics = Metrics()
    metrics.attempts_ended("default", "call", OutcomeName.SUCCEEDED, [0.0005, 0.001, 3.0])
    metrics.attempts_ended("default", "call", OutcomeName.TIMED_OUT, [20_000.0])
    labels = {"queue": "default", "kind": "call", "outcome": "succeeded"}
    assert metrics.value("hive_task_attempts_total", **labels) == 3
    assert metrics.value("hive_task_run_seconds_bucket", **labels, le="0.001") == 2
    assert metrics.value("hive_task_run_seconds_bucket", **labels, le="2.0") == 2
    assert metrics.value("hive_task_run_seconds_bucket", **labels, le="+Inf") == 3
    assert metrics.value("hive_task_run_seconds_sum", **labels) == pytest.approx(3.0015)
    slow = labels | {"outcome": "timed_out"}
    assert metrics.value("hive_task_run_seconds_bucket", **slow, le="14400.0") == 0
    assert metrics.value("hive_task_run_seconds_count", **slow) == 1


def test_two_processes_worth_of_metrics_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.claimed(5)
    one.claimed(0)
    assert one.value("hive_claims_total") == 2
    assert one.value("hive_claimed_tasks_total") == 5
    assert other.value("hive_claims_total") == 0


def test_what_others_count_is_read_when_it_is_asked_for_and_added_up() -> None:
    metrics, one, other = Metrics(), Counted(lapsing=3), Counted(lapsing=4)
    assert metrics.value("hive_bus_malformed_total") is None
    for counted in (one, other):
        metrics.read_bundles("q", counted)
    assert metrics.value("hive_bundles_lapsing_total", queue="q") == 7
    other.lapsing = 10
    assert metrics.value("hive_bundles_lapsing_total", queue="q") == 13


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    metrics = Metrics()
    assert metrics.value("hive_worker_last_heartbeat_timestamp_seconds") is None
    metrics.show_heartbeat(1_700_000_000.5)
    assert metrics.value("hive_worker_last_heartbeat_timestamp_seconds") == 1_700_000_000.5
    metrics.show_oldest_transaction_age(4.0)
    metrics.show_oldest_transaction_age(None)
    assert metrics.value("hive_oldest_transaction_age_seconds") is None


def test_a_new_picture_leaves_nothing_of_the_old_one() -> None:
    metrics = Metrics()
    metrics.show_tasks({("default", TaskState.QUEUED): 7, ("gone", TaskState.RUNNING): 1})
    metrics.show_tasks({("default", TaskState.QUEUED): 0})
    assert metrics.value("hive_tasks", queue="default", state="queued") == 0
    assert metrics.value("hive_tasks", queue="gone", state="running") is None
    metrics.show_oldest_ready({"default": 1.5})
    metrics.show_oldest_ready({})
    assert metrics.value("hive_queue_oldest_ready_timestamp_seconds", queue="default") is None


def test_every_method_feeds_the_metric_it_is_named_for() -> None:
    metrics = Metrics()
    metrics.tasks_finished("q", "command", OutcomeName.LOST, 2)
    metrics.tasks_waited("q", [0.3, 0.4])
    metrics.show_slots(busy=3, free=1)
    metrics.show_unmet({"q": 13})
    metrics.show_parked({"q": 17})
    metrics.spent("q", microdollars=1_500_000, input_tokens=21, output_tokens=22)
    metrics.show_needing_answer({"q": 19})
    metrics.show_permits(held=9, free=2)
    metrics.leases_expired("q", 4)
    metrics.stale_writes(5)
    metrics.read_bus(Counted(sent=6, dropped=7, malformed=10))
    metrics.read_bundles("q", Counted(malformed=11, lapsing=12))
    metrics.show_event_log_default_rows(8)
    metrics.model_tokens("m", read=14, made=15)
    metrics.model_waited("m", [0.5])
    metrics.model_lost("m")
    metrics.read_models(lambda: {"m": OneModel(waiting=16, running=17, room=18, load_seconds=1.5)})
    text = metrics.exposition()
    for line in [
        'hive_tasks_finished_total{kind="command",outcome="lost",queue="q"} 2.0',
        'hive_task_queue_wait_seconds_count{queue="q"} 2.0',
        'hive_worker_slots{state="busy"} 3.0',
        'hive_tasks_unmet{queue="q"} 13.0',
        'hive_tasks_parked{queue="q"} 17.0',
        'hive_spent_usd_total{queue="q"} 1.5',
        'hive_spent_tokens_total{direction="output",queue="q"} 22.0',
        'hive_tasks_needing_answer{queue="q"} 19.0',
        'hive_worker_slots{state="free"} 1.0',
        'hive_queen_permits{state="held"} 9.0',
        'hive_queen_permits{state="free"} 2.0',
        'hive_leases_expired_total{queue="q"} 4.0',
        "hive_stale_writes_total 5.0",
        "hive_events_published_total 6.0",
        "hive_events_dropped_total 7.0",
        "hive_event_log_default_rows 8.0",
        "hive_bus_malformed_total 10.0",
        'hive_bundles_malformed_total{queue="q"} 11.0',
        'hive_bundles_lapsing_total{queue="q"} 12.0',
        'hive_model_tokens_total{direction="in",model="m"} 14.0',
        'hive_model_tokens_total{direction="out",model="m"} 15.0',
        'hive_model_wait_seconds_count{model="m"} 1.0',
        'hive_model_requests_lost_total{model="m"} 1.0',
        'hive_model_requests{model="m",state="waiting"} 16.0',
        'hive_model_requests{model="m",state="running"} 17.0',
        'hive_model_batch_room{model="m"} 18.0',
        'hive_model_load_seconds{model="m"} 1.5',
    ]:
        assert line in {_sorted_labels(found) for found in text.splitlines()}


def _sorted_labels(line: str) -> str:
    head, opened, rest = line.partition("{")
    if not opened:
        return line
    labels, _, value = rest.partition("}")
    return f"{head}{{{','.join(sorted(labels.split(',')))}}}{value}"
