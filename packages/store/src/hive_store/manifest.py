"""What a backup says of itself: made when, of which schema, and what each table must come to."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

__all__ = ["Manifest", "SavedTable", "decode_manifest", "encode_manifest"]

FORMAT: Final = "hive backup 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedTable:
    """The rows of one table, as Postgres' COPY writes them as text."""

    name: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    """Before compression."""

    sha256: str
    """Of these bytes, in hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole backup."""

    made_at: datetime
    """By the database's clock: what was committed later is not in it."""

    schema: int
    server: str
    """Version of the Postgres that it was read from."""

    tables: tuple[SavedTable, ...]
    """In an order in which they can be loaded."""

    sequences: dict[str, int]
    """The last number that each gave out."""

    event_days: tuple[date, ...]
    """The days that had a partition of the event log."""


def encode_manifest(manifest: Manifest) -> str:
    """Return `manifest` as JSON."""
    return json.dumps({"format": FORMAT} | asdict(manifest), indent=2, default=_plain)


def decode_manifest(text: str | bytes) -> Manifest:
    """Return the manifest in `text`.

    Raises:
        ValueError: it is none, or one of a format that this Hive does not know.
    """
    found: dict[str, Any] = json.loads(text)
    try:
        if found.pop("format") != FORMAT:
            raise ValueError("it is of another format")
        return Manifest(
            made_at=datetime.fromisoformat(found["made_at"]),
            schema=int(found["schema"]),
            server=found["server"],
            tables=tuple(_saved_table(table) for table in found["tables"]),
            sequences=found["sequences"],
            event_days=tuple(date.fromisoformat(day) for day in found["event_days"]),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"its manifest is not whole: {error!r}") from error


def _saved_table(found: dict[str, Any]) -> SavedTable:
    return SavedTable(
        name=found["name"],
        columns=tuple(found["columns"]),
        rows=found["rows"],
        bytes=found["bytes"],
        sha256=found["sha256"],
    )


def _plain(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} does not belong into a manifest")
