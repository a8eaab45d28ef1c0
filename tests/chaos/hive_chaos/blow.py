"""One fault as it strikes, and what is common to all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from hive_chaos.arena import LEASE_SECONDS, Arena
from hive_chaos.members import Victim

__all__ = ["A_WHILE", "BRIEFLY", "FOR_LONG", "Blow", "Fault", "Striker"]

BLOW: Final = (0.0, 0.0)
BRIEFLY: Final = (0.3, LEASE_SECONDS / 2)
FOR_LONG: Final = (LEASE_SECONDS + 1.0, LEASE_SECONDS * 2.5)
A_WHILE: Final = (1.0, LEASE_SECONDS * 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One fault as it strikes."""

    arena: Arena
    seconds: float
    choice: float

    def victim(self, role: str) -> Victim | None:
        """Return which living process of a role it meets; None if there is none just now."""
        found = self.arena.victims(role)
        return found[int(self.choice * len(found))] if found else None

    async def last(self) -> None:
        """Let the fault last."""
        await asyncio.sleep(self.seconds)


Striker: TypeAlias = Callable[[Blow], Awaitable[bool]]
"""Does it, and undoes it; returns whether it met anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break something."""

    says: str
    strike: Striker
    seconds: tuple[float, float] = BLOW
    """How long it lasts, at least and at most; how long it takes to recover is not in it."""

    needs: str | None = None
    """What the machine must permit: `disk`, `network` or `clock`."""
