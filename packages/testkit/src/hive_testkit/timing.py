"""Time that passes at once: all moments in the store move back, and no test waits for a clock.

Hive compares moments with the database's own clock, which no test can set. Moving what is stored
is the same as waiting, for all who only compare; the log's rows keep their day, and so their
partition.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncpg import Connection

__all__ = ["pass_time"]

MOMENTS: Final = {
    "task": ("created_at", "run_at", "started_at", "finished_at", "cancel_requested_at"),
    "lease": ("granted_at", "accepted_at", "expires_at"),
    "attempt": ("started_at", "ended_at"),
    "output": ("at",),
    "worker": ("started_at", "seen_at"),
    "queen": ("started_at", "seen_at"),
    "term": ("expires_at",),
    "subscriber": ("held_until",),
    "webhook": ("created_at", "due_at", "failing_since", "paused_at", "held_until"),
    "webhook_delivery": ("created_at", "ended_at"),
}
"""Every column of the schema that holds a moment, but for the log's."""


async def pass_time(connection: "Connection[Any]", seconds: float) -> None:
    """Make it so that `seconds` have passed since everything that the store remembers."""
    async with connection.transaction():
        for table, columns in MOMENTS.items():
            moved = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
            await connection.execute(
                f"update hive.{table} set {moved}",  # noqa: S608 - names from the table above
                timedelta(seconds=seconds),
            )
