"""What can be set of a queen."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hive_contracts.errors import ConfigurationError

__all__ = ["MOST_WEIGHT", "QueenSettings"]

MOST_WEIGHT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueenSettings:
    """How a queen hands out work."""

    lease_seconds: float = 15.0
    """How long a bundle stays with a worker that says nothing: the bound of every recovery."""

    poll_seconds: float = 1.0
    """Longest that a missed hint can delay anything."""

    ahead_seconds: float = 0.05
    """How much known-short work may wait at the workers, so that they never wait for the queen."""

    max_ahead: int = 8000
    """Most tasks dispatched beyond free slots, however short they are."""

    max_bundle: int = 1000
    """Most tasks in one bundle."""

    raise_after_seconds: float = 60.0
    """How long a task waits until it is one priority more urgent, and again; 0 for never."""

    term_seconds: float = 5.0
    """How long the queen that has the singleton duties keeps them without saying so again."""

    event_days: int = 7
    """For how many days the event log is kept."""

    weights: tuple[str, ...] = ()
    """Shares of the slots by queue, as in images=3, while several want them; 1 if not named."""

    webhook_days: int = 3
    """For how many days a webhook may fail before it is paused."""

    retry_batch: int = 1000
    """Most tasks that one sweep moves."""

    metrics_port: int | None = None
    """Port for Prometheus on this machine; 0 picks a free one, none serves nothing."""

    @property
    def living(self) -> timedelta:
        """Whoever was not seen within this time is silent: half a lease, one heartbeat at least."""
        return timedelta(seconds=self.lease_seconds / 2)

    @property
    def weight_by_queue(self) -> dict[str, int]:
        """The weights, by queue.

        Raises:
            ConfigurationError: one is malformed, or a queue has two.
        """
        weights: dict[str, int] = {}
        for said in self.weights:
            queue, _, number = said.rpartition("=")
            if not (queue and number.isascii() and number.isdigit()):
                raise ConfigurationError(
                    f"queen.weights has {said!r}; a weight is said as images=3"
                )
            if not 1 <= int(number) <= MOST_WEIGHT:
                raise ConfigurationError(
                    f"the weight of queue {queue!r} is from 1 to {MOST_WEIGHT}, not {number}"
                )
            if queue in weights:
                raise ConfigurationError(f"queen.weights names queue {queue!r} twice")
            weights[queue] = int(number)
        return weights

    def __post_init__(self) -> None:
        """Refuse settings that contradict one another."""
        if self.lease_seconds <= 0 or self.poll_seconds <= 0:
            raise ConfigurationError("lease_seconds and poll_seconds are more than 0")
        if self.poll_seconds * 2 > self.lease_seconds:
            raise ConfigurationError(
                f"a lease ({self.lease_seconds} s) must outlast two polls ({self.poll_seconds} s)"
            )
        if self.max_bundle < 1 or self.max_ahead < 0 or self.retry_batch < 1:
            raise ConfigurationError("max_bundle and retry_batch are at least 1, max_ahead 0")
        if self.webhook_days < 1:
            raise ConfigurationError(
                f"a webhook may fail for a day at least, not {self.webhook_days}"
            )
        if self.raise_after_seconds < 0:
            raise ConfigurationError(
                f"raise_after_seconds is 0 (never) or more, not {self.raise_after_seconds:g}"
            )
        _ = self.weight_by_queue
        if self.event_days < 1:
            raise ConfigurationError(
                f"the event log is kept for a day at least, not {self.event_days}"
            )
