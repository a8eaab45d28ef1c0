"""Time that passes at once: all moments in the store move back, and no test waits for a clock.

Hive compares moments with the database's own clock, which no test can set. Moving what is stored
is the same as waiting, for all who only compare; the log's rows keep their day, and so their
partition. What moves is listed in `pass_time.sql` of the store.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hive_store.statements import statement
from hive_store.submitting import HELD_UNTIL

if TYPE_CHECKING:
    from asyncpg import Connection

__all__ = ["SCHEDULE_MOMENTS", "pass_time"]


SCHEDULE_MOMENTS: Final = {
    "schedule": (
        "anchor", "once_at", "paused_at", "since", "next_at", "last_tick_at", "created_at",
    ),
    "tick": ("tick_at", "decided_at"),
}  # fmt: skip
"""What `pass_time.sql` leaves where it is: a schedule keeps to the clock on the wall."""

FAR: Final = timedelta(days=36_500)
"""Ticks are told apart by their moments: one by one, each would meet the one before it."""


async def pass_time(connection: "Connection[Any]", seconds: float) -> None:
    """Make it so that `seconds` have passed since everything that the store remembers."""
    passed = timedelta(seconds=seconds)
    async with connection.transaction():
        await connection.execute(statement("pass_time"), passed, HELD_UNTIL)
        # A schedule whose moments are written is one that somebody has changed.
        await connection.execute("alter table hive.schedule disable trigger user")
        for table, columns in SCHEDULE_MOMENTS.items():
            moved = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
            for step in (passed + FAR, -FAR) if table == "tick" else (passed,):
                await connection.execute(
                    f"update hive.{table} set {moved}",  # noqa: S608 - names from the table above
                    step,
                )
        await connection.execute("alter table hive.schedule enable trigger user")
