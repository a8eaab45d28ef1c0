"""Whatever a task may be can be said by every way in, or it is written here why not.

A new field of `NewTask` belongs into each way, under the name that the way has for it, or among
what that way leaves out, with the reason.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
import pytest
from typer.main import get_command

from hive.cli import app
from hive.submitting.said import SaidTask
from hive.submitting.task_lines import FIELDS
from hive_client.options import TaskOptions
from hive_contracts.errors import RefusedScheduleError
from hive_contracts.ids import TaskId
from hive_contracts.schedules import NOT_OF_TICKS, Every, NewSchedule
from hive_contracts.tasks import NewTask
from hive_store import ScheduleStore, open_line
from hive_store.deeds import Actor

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PAGE: Final = (Path(__file__).parents[2] / "docs" / "ways-in.md").read_text(encoding="utf-8")
NAMES: Final = frozenset(field.name for field in fields(NewTask))
PLAIN: Final = NewTask(kind="none")
FULL: Final = NewTask(
    kind="call",
    payload={"function": "a:b"},
    queue="slow",
    priority=3,
    run_at=datetime(2100, 1, 1, tzinfo=UTC),
    max_attempts=7,
    max_losses=2,
    timeout=timedelta(minutes=1),
    silence_timeout=timedelta(minutes=2),
    group="nightly",
    key="door",
    when_busy="replace",
    unique_key="one",
    unique_for="waiting",
    expires_at=datetime(2100, 1, 2, tzinfo=UTC),
    retry="fixed(30s) only on OSError",
    name="first",
    after=[TaskId(1)],
    if_parent_fails="run",
    needs=("gpu",),
    breaker="shop:team",
    slots=2,
)
"""A task of which nothing is left as it is by default."""

PEOPLE_SAY: Final[Mapping[str, tuple[str, ...]]] = {
    "run_at": ("run_at", "delay"),
    "max_losses": ("max_losses", "no_rerun"),
    "unique_key": ("unique",),
    "expires_at": ("expires_at", "expires_in"),
    "retry": ("retry", "retry_on"),
}
"""The words for fields that people do not say by their names alone."""

WORDS: Final = frozenset(word for name in NAMES for word in PEOPLE_SAY.get(name, (name,)))
OF_COMMANDS: Final = frozenset(
    {"cwd", "env", "shell", "limit", "startup_timeout", "linger_timeout"}
)
"""What is said of a command that is typed; by other ways it is a part of the payload."""

ALONE: Final = "it is what the tasks of one submit call each other by, and this submits one"
IS_COMMAND: Final = "it runs the command that is typed"
LEFT_OUT: Final[Mapping[str, Mapping[str, str]]] = {
    "submit": {"name": ALONE},
    "run": {"kind": IS_COMMAND, "payload": IS_COMMAND, "name": ALONE},
    "map": {
        "kind": IS_COMMAND,
        "payload": IS_COMMAND,
        "shell": "a line is put into words, which no shell reads",
        "max_attempts": "--retries says how often it is tried again",
        "name": "a line says no more than what {} stands for",
        "when_busy": "the tasks of one map would call each other off",
        "unique": "it watches its own group, and an earlier task may be of another",
        "unique_for": "it has no --unique",
    },
    "schedule add": {
        "run_at": NOT_OF_TICKS["run_at"],
        "delay": NOT_OF_TICKS["run_at"],
        "expires_at": NOT_OF_TICKS["expires_at"],
        "when_busy": NOT_OF_TICKS["when_busy"],
        "unique": NOT_OF_TICKS["unique_key"],
        "unique_for": NOT_OF_TICKS["unique_for"],
        "name": NOT_OF_TICKS["name"],
        "after": NOT_OF_TICKS["after"],
        "if_parent_fails": NOT_OF_TICKS["if_parent_fails"],
    },
}
"""The commands that submit, and what each has no option for."""

OF_THE_SCHEDULE: Final = frozenset({"name"})
"""What is called like a field, and is said of the schedule itself."""

ELSEWHERE_IN_SQL: Final = {
    "group": "the column is group_name",
    "slots": "they stand before the labels in needs",
    "name": "a row that is inserted has its id, by which others come after it",
    "after": "rows of hive.dependency say it",
    "if_parent_fails": "rows of hive.dependency say it",
    "when_busy": "it is an act of the submit: hive.cancel calls off what is in the way",
    "unique_for": "it is an act of the submit, which looks into hive.unique_key",
}
"""What plain SQL says otherwise than in a column that is called like the field."""


@cache
def options_of(way: str) -> frozenset[str]:
    """The names of all that a command takes."""
    command: Any = get_command(app)  # typer leaves its own commands open
    for word in way.split():
        command = command.commands[word]
    return frozenset(str(param.name) for param in command.params)


def test_the_full_task_leaves_nothing_as_it_is_by_default() -> None:
    assert [name for name in NAMES if getattr(FULL, name) == getattr(PLAIN, name)] == []


@pytest.mark.parametrize("way", LEFT_OUT)
def test_a_command_says_whatever_a_task_may_be(way: str) -> None:
    said = options_of(way) - (OF_THE_SCHEDULE if way == "schedule add" else frozenset())
    assert (WORDS | OF_COMMANDS) - said == LEFT_OUT[way].keys()


def test_a_line_of_json_says_whatever_a_task_may_be() -> None:
    assert FIELDS.keys() == WORDS == {field.name for field in fields(SaidTask)}


def test_options_in_python_say_whatever_a_task_may_be() -> None:
    given_otherwise = {"kind", "payload", "name"}
    wanted = NAMES | {"delay", "expires_in"}
    assert TaskOptions.__annotations__.keys() == wanted - given_otherwise


async def test_the_columns_of_a_task_say_whatever_it_may_be(database: Connection) -> None:
    assert NAMES - await columns_of(database, "task") == ELSEWHERE_IN_SQL.keys()


async def test_the_columns_of_a_schedule_say_whatever_its_tasks_may_be(
    database: Connection,
) -> None:
    elsewhere = ELSEWHERE_IN_SQL.keys() | NOT_OF_TICKS.keys()
    assert NAMES - (await columns_of(database, "schedule") - OF_THE_SCHEDULE) == elsewhere


async def columns_of(database: Connection, table: str) -> set[str]:
    rows = await database.fetch(
        "select column_name from information_schema.columns"
        " where table_schema = 'hive' and table_name = $1",
        table,
    )
    return {row["column_name"] for row in rows}


BY_PLACE: Final = {"kind": "the first argument", "payload": "the second argument"}
COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "hive submit": LEFT_OUT["submit"],
    "hive run": LEFT_OUT["run"],
    "hive map": LEFT_OUT["map"],
    "hive schedule add": LEFT_OUT["schedule add"],
    "a line of JSON": {},
    "Python": BY_PLACE,
    "SQL: hive.task": ELSEWHERE_IN_SQL,
}
"""By the head of its column in the page: what a way does not say by the word for it."""


def test_the_table_of_the_page_is_true() -> None:
    [head, _, *lines] = [cells_of(line) for line in PAGE.splitlines() if line.startswith("| ")]
    rows = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert rows.keys() == NAMES
    for name, row in rows.items():
        for way, left_out in COLUMNS.items():
            is_program = way in ("Python", "SQL: hive.task")
            words = {name} if is_program else {*PEOPLE_SAY.get(name, (name,))}
            said = {word.strip("-").replace("-", "_") for word in re.findall(r"[\w-]+", row[way])}
            assert words - left_out.keys() <= {word.lower() for word in said}, (name, way)


def cells_of(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip("| ").split(" | ")]


async def test_a_schedule_keeps_whatever_its_tasks_may_be(database_url: str) -> None:
    defaults = {name: getattr(PLAIN, name) for name in NOT_OF_TICKS}
    task = replace(FULL, **defaults)
    async with open_line(database_url) as line:
        store = ScheduleStore(line)
        schedule = NewSchedule(name="pulse", when=Every(timedelta(hours=1)), task=task)
        await store.put(schedule, replaces=False, actor=Actor("ada", "desk"))
        assert (await store.read("pulse")).task == task


@pytest.mark.parametrize("name", NOT_OF_TICKS)
async def test_a_schedule_refuses_the_rest_and_says_why(database_url: str, name: str) -> None:
    task = replace(PLAIN, **{name: getattr(FULL, name)})
    async with open_line(database_url) as line:
        schedule = NewSchedule(name="pulse", when=Every(timedelta(hours=1)), task=task)
        with pytest.raises(RefusedScheduleError, match=f"no {name}: {NOT_OF_TICKS[name]}"):
            await ScheduleStore(line).put(schedule, replaces=False, actor=Actor("ada", "desk"))
