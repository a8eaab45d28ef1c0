"""A clock that stands still until the test moves it."""

__all__ = ["ManualClock"]


class ManualClock:
    """Satisfies `hive_contracts.clocks.Clock`."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.now_seconds = seconds

    def seconds(self) -> float:
        """Return the moment that the test has set."""
        return self.now_seconds

    def pass_seconds(self, seconds: float) -> None:
        """Move on."""
        self.now_seconds += seconds
