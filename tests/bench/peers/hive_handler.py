"""The no-op that Hive's workers run: a module that they may call, and nothing more."""

from peers.probe import UNNUMBERED, here

__all__ = ["noop"]


async def noop(number: int = UNNUMBERED) -> None:
    """Say that it has begun."""
    here().hit(number)
