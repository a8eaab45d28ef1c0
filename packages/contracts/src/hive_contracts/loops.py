"""What a background loop is."""

from typing import Protocol

__all__ = ["Loop"]


class Loop(Protocol):
    """One thing that a process does over and over.

    `run` never returns; it is stopped by cancelling it, and tidies up on the way out. It outlives
    `UnavailableError`, and lets any other error end the process: a supervisor starts another, and
    recovery is the ordinary start.
    """

    @property
    def name(self) -> str:
        """What to call the loop in logs and metrics."""
        ...

    async def run(self) -> None:
        """Do it until cancelled."""
        ...
