"""Let tasks go on that wait for others: as soon as these have ended, or the turn before theirs has.

Three steps, each a statement that sees what the one before has committed: edges to tasks that
have ended are closed, tasks whose last edge that was are released, and keys give their turns. A
task that is cancelled for one that it comes after is itself an end, so the steps go round until
none finds anything.
"""

from typing import NamedTuple

from hive_contracts.ids import TaskId
from hive_store.queen_store import QueenStore

__all__ = ["Granted", "grant_all", "grant_some"]


class Granted(NamedTuple):
    """What one round of the steps came to."""

    taken: int
    """How many wake-ups are done with; after none there is nothing more to do now."""

    queued: int
    cancelled: tuple[TaskId, ...]
    """Those that were called off because one that they come after did not succeed."""


async def grant_some(store: QueenStore, *, batch_size: int) -> Granted:
    """Do one batch of each step."""
    closed = await store.close_dependencies(batch_size=batch_size)
    gates = await store.release_gates(batch_size=batch_size)
    grants = await store.grant_turns(batch_size=batch_size)
    return Granted(
        taken=closed + gates.taken + grants.taken,
        queued=gates.queued + grants.granted,
        cancelled=gates.cancelled,
    )


async def grant_all(store: QueenStore, *, batch_size: int) -> None:
    """Do all that is due: for a program that works without a queen."""
    while (await grant_some(store, batch_size=batch_size)).taken:
        pass
