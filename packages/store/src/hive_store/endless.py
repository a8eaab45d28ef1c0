"""The moment that never comes: `infinity` in Postgres."""

from datetime import UTC, datetime

__all__ = ["aware"]


def aware(moment: datetime) -> datetime:
    """Return a moment that Postgres told of; asyncpg reads infinity without a time zone."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
