"""Read the lines of an export: what each says is checked, and every complaint names its line.

Numbers are left as they are written, since a payload may hold one that no float can.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NoReturn, cast

from hive_contracts.errors import ConfigurationError
from hive_store.interchange import END, HEAD, TABLES, VERSION

__all__ = ["Head", "Record", "read_head", "read_records", "refuse"]

NAMES: Final = {"task": "id", "dependency": "child_id"}
"""By type: the column that names the task, if it has not its common name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the first line says."""

    schema: int
    tasks: int
    first_id: int | None
    last_id: int | None
    columns: Mapping[str, tuple[str, ...]]
    event_days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One line."""

    number: int
    """From 1."""

    type: str
    line: str
    """As Postgres is to read it: an object with `row`."""

    row: Mapping[str, Any]
    """Its numbers are texts."""

    @property
    def task_id(self) -> int:
        """The task that it is, or belongs to."""
        return _whole(self.number, self.row, NAMES.get(self.type, "task_id"))

    @property
    def parent_id(self) -> int:
        """The task that a dependency is on."""
        return _whole(self.number, self.row, "parent_id")

    @property
    def task_ids(self) -> list[int] | None:
        """The tasks that an event lists; None if it lists none."""
        listed: Any = self.row.get("task_ids")
        if listed is None:
            return None
        try:
            return [int(task_id) for task_id in listed]
        except (TypeError, ValueError):
            refuse(self.number, f"task_ids is {str(listed)[:50]!r} and no list of ids")


def read_head(lines: Iterator[bytes]) -> Head:
    """Return what the first line says.

    Raises:
        ConfigurationError: there is none, or it is of another version, or not whole.
    """
    first = next(lines, None)
    if first is None:
        raise ConfigurationError("the file is empty; it is no export of `hive export`")
    type_, _, row = _parsed(1, first)
    if type_ != HEAD:
        refuse(1, f"its type is {type_!r}, and not {HEAD!r}, with which an export begins")
    try:
        return Head(
            schema=int(row["schema"]),
            tasks=int(row["tasks"]),
            first_id=None if row["first_id"] is None else int(row["first_id"]),
            last_id=None if row["last_id"] is None else int(row["last_id"]),
            columns={table: tuple(names) for table, names in row["columns"].items()},
            event_days=tuple(date.fromisoformat(day) for day in row["event_days"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        refuse(1, f"it is not whole: {error!r}")


def read_records(lines: Iterable[bytes], head: Head) -> Iterator[Record]:
    """Yield what the other lines hold, in order: tasks, attempts, output, events.

    Raises:
        ConfigurationError: a line is no record, or not where it belongs, or the last one is missing
            or tells of other numbers; what was yielded must not be kept.
    """
    counts = dict.fromkeys(TABLES, 0)
    columns = {table: frozenset(head.columns.get(table, ())) for table in TABLES}
    place, number = 0, 1
    for number, text in enumerate(lines, start=2):
        type_, line, row = _parsed(number, text)
        if type_ == END:
            _refuse_other_counts(number, row, counts)
            _refuse_more(lines, number)
            return
        if type_ not in TABLES:
            refuse(number, f"there is no type {type_!r}; types: {', '.join(TABLES)}")
        if TABLES.index(type_) < place:
            refuse(number, f"{type_!r} comes after {TABLES[place]!r}; the order: {TABLES}")
        place = TABLES.index(type_)
        counts[type_] += 1
        if type_ == "output":
            line, row = _with_bytes(number, row)
        if row.keys() != columns[type_]:
            odd = ", ".join(sorted(row.keys() ^ columns[type_]))
            refuse(number, f"it has not the columns that the first line names: {odd}")
        yield Record(number, type_, line, row)
    raise ConfigurationError(
        f"the file is cut off after line {number}: its last line is not of type {END!r}"
    )


def refuse(number: int, reason: str) -> NoReturn:
    """Refuse a line.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(f"line {number:,} cannot be imported: {reason}; nothing was imported")


def _parsed(number: int, text: bytes) -> tuple[str, str, dict[str, Any]]:
    """Return a line's type, its text, and its row."""
    try:
        line = text.decode()
        # Numbers stay text: they may be longer than Python reads, and are Postgres' to read.
        record: Any = json.loads(line, parse_int=str, parse_float=str)
        found: tuple[Any, Any, Any] = record["type"], record["version"], record["row"]
    except UnicodeDecodeError:
        refuse(number, "it is no UTF-8 (is it compressed? then name it FILE.gz)")
    except (ValueError, RecursionError) as error:
        refuse(number, f"it is no JSON: {error}")
    except (KeyError, TypeError):
        refuse(number, "it is no object with a type, a version and a row")
    type_, version, row = found
    if version != str(VERSION):
        refuse(number, f"it has version {version}, and this Hive reads version {VERSION}")
    if not isinstance(type_, str) or not isinstance(row, dict):
        refuse(number, "its type is no text, or its row no object")
    return type_, line, cast("dict[str, Any]", row)


def _with_bytes(number: int, row: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return output whose bytes are written as Postgres reads them: it takes no NUL in a text."""
    rest = {name: value for name, value in row.items() if name not in ("text", "base64")}
    try:
        data = (
            row["text"].encode()
            if "text" in row
            else base64.b64decode(row["base64"], validate=True)
        )
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError, binascii.Error):
        refuse(number, "it has neither text nor base64")
    return json.dumps({"row": rest | {"data": f"\\x{data.hex()}"}}), rest


def _whole(number: int, row: Mapping[str, Any], name: str) -> int:
    try:
        return int(row[name])
    except (KeyError, TypeError, ValueError):
        refuse(number, f"{name} is {str(row.get(name))[:50]!r} and no whole number")


def _refuse_other_counts(number: int, row: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    for type_, count in counts.items():
        if row.get(type_, "0") != str(count):
            refuse(number, f"it tells of {row.get(type_)} of type {type_}, but there are {count}")


def _refuse_more(lines: Iterable[bytes], number: int) -> None:
    for text in lines:
        if text.strip():
            refuse(number + 1, f"it comes after the line of type {END!r}")
