"""What can be set of a worker."""

from dataclasses import dataclass

from hive_contracts.errors import ConfigurationError
from hive_contracts.labels import LABEL_IN_WORDS, MOST_LABELS, is_label
from hive_contracts.tasks import DEFAULT_QUEUE

__all__ = ["WorkerSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker takes and runs tasks."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    """Which lines of tasks it serves."""

    labels: tuple[str, ...] = ()
    """What it has that others have not: a task that needs labels runs where all of them are."""

    slots: int = 4
    """How many tasks one worker process runs at once."""

    processes: int = 1
    """How many worker processes `hive up` and `hive worker` start."""

    lease_seconds: float = 15.0
    """How long an accepted lease lasts without a heartbeat: the bound of every recovery."""

    heartbeat_seconds: float = 5.0
    """How often leases are renewed."""

    lease_margin_seconds: float = 2.0
    """How long before its lease could lapse a worker that cannot renew it stops what it runs."""

    grace_seconds: float = 10.0
    """How long a draining worker lets running tasks finish before it gives them back."""

    hand_back_seconds: float = 1.0
    """How long an accepted task may wait for a slot before it is given back."""

    late_start_seconds: float = 0.1
    """How long an attempt may run before its start is written, if nothing wrote it sooner."""

    retry_base_seconds: float = 1.0
    """Wait after a first failure; it doubles with each further one."""

    retry_cap_seconds: float = 300.0
    """Longest wait between attempts."""

    stuck_after_seconds: float = 30.0
    """How long what was called off may take to stop; then it is stuck, and an async function loses
    its slot. More than the graces of commands and functions."""

    max_abandoned: int = 3
    """So many async functions that run on without a slot have the worker leave, to start anew."""

    output_cap_bytes: int = 1024 * 1024
    """Most output kept of one attempt: half of it from the head, half from the tail."""

    max_unwritten: int = 10_000
    """Most outcomes that wait while Postgres is away; then no further task begins."""

    metrics_port: int | None = None
    """Port for Prometheus on this machine; 0 picks a free one, none serves nothing."""

    def __post_init__(self) -> None:
        """Refuse settings that contradict one another."""
        if not self.queues:
            raise ConfigurationError("a worker serves at least one queue")
        self._check_labels()
        for name, count in (("slots", self.slots), ("processes", self.processes)):
            if count < 1:
                raise ConfigurationError(f"worker.{name} is {count}; a worker needs at least 1")
        if self.heartbeat_seconds <= 0 or self.lease_margin_seconds < 0:
            raise ConfigurationError(
                f"heartbeat_seconds ({self.heartbeat_seconds}) is more than 0,"
                f" lease_margin_seconds ({self.lease_margin_seconds}) not less"
            )
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ConfigurationError(
                f"a lease ({self.lease_seconds} s) must outlast two heartbeats"
                f" ({self.heartbeat_seconds} s each)"
            )
        if self.heartbeat_seconds + self.lease_margin_seconds >= self.lease_seconds:
            raise ConfigurationError(
                f"a heartbeat ({self.heartbeat_seconds} s) and the margin"
                f" ({self.lease_margin_seconds} s) must fit into a lease ({self.lease_seconds} s)"
            )
        if self.stuck_after_seconds <= 0 or self.max_abandoned < 1:
            raise ConfigurationError(
                f"stuck_after_seconds ({self.stuck_after_seconds}) is more than 0, max_abandoned"
                f" ({self.max_abandoned}) at least 1"
            )
        if self.output_cap_bytes < 0 or self.max_unwritten < 1 or self.grace_seconds < 0:
            raise ConfigurationError(
                "output_cap_bytes and grace_seconds are 0 or more, max_unwritten at least 1"
            )

    def _check_labels(self) -> None:
        for label in self.labels:
            if not is_label(label):
                raise ConfigurationError(
                    f"worker.labels has {label!r}, but a label is {LABEL_IN_WORDS}"
                )
        if len(self.labels) > MOST_LABELS:
            raise ConfigurationError(
                f"a worker has {MOST_LABELS} labels at most, not {len(self.labels)}"
            )
