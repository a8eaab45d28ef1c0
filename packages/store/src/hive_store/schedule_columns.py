"""When a schedule falls due, as the columns of its row say it, and the other way round."""

from datetime import datetime, timedelta
from typing import NamedTuple, assert_never

from hive_contracts.schedules import Cron, Every, Once, When
from hive_store.line import Row

__all__ = ["WhenColumns", "columns_of", "when_of"]


class WhenColumns(NamedTuple):
    """The columns, in the order in which `put_schedule.sql` takes them."""

    cron: str | None = None
    zone: str = "UTC"
    every: timedelta | None = None
    anchor: datetime | None = None
    once_at: datetime | None = None


def columns_of(when: When) -> WhenColumns:
    """Return the columns that say `when`."""
    match when:
        case Cron():
            return WhenColumns(cron=when.expression, zone=when.zone)
        case Every():
            return WhenColumns(every=when.interval, anchor=when.anchor)
        case Once():
            return WhenColumns(once_at=when.at)
        case _:
            assert_never(when)


def when_of(row: Row) -> When:
    """Return what the columns of a schedule's row say."""
    if row["cron"] is not None:
        return Cron(row["cron"], row["zone"])
    if row["every"] is not None:
        return Every(row["every"], row["anchor"])
    return Once(row["once_at"])
