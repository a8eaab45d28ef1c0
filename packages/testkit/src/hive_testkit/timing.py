"""Time that passes at once: all moments in the store move back, and no test waits for a clock.

Hive compares moments with the database's own clock, which no test can set. Moving what is stored
is the same as waiting, for all who only compare; the log's rows keep their day, and so their
partition. What moves is listed in `pass_time.sql` of the store.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hive_store.statements import statement
from hive_store.submitting import HELD_UNTIL

if TYPE_CHECKING:
    from asyncpg import Connection

__all__ = ["pass_time"]


async def pass_time(connection: "Connection[Any]", seconds: float) -> None:
    """Make it so that `seconds` have passed since everything that the store remembers."""
    await connection.execute(statement("pass_time"), timedelta(seconds=seconds), HELD_UNTIL)
