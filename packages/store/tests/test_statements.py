"""The comment over each statement is true: held against Postgres and against the table of moves."""

import re
from importlib.resources import files
from typing import Any, TypeAlias

import asyncpg
import pytest

from hive_contracts.events import EventType
from hive_contracts.outcomes import OutcomeName
from hive_contracts.states import INITIAL_STATES, MOVES, TaskState
from hive_store.migrating import LATEST
from hive_store.statements import names, statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PARAMETER = re.compile(
    r"^-- \$(\d+) +(\w+) +((?:double precision|\w+)(?:\[\])?)(?: |$)", re.MULTILINE
)
FUNCTION = re.compile(
    r"^create (?:or replace )?function hive\.(\w+)\(.*?^\$\$;$", re.MULTILINE | re.DOTALL
)
FUNCTIONS = {
    found[1]: found[0]
    for file in sorted((files("hive_store") / "migrations").iterdir(), key=lambda file: file.name)
    for found in FUNCTION.finditer(file.read_text())
}
"""The functions of the schema, as the last migration that makes each has it."""

CALLED = re.compile(r"hive\.(\w+)\(")
ACTING = {
    "park", "unpark", "call_off", "answer", "free_from_budgets", "set_budget", "remove_budget",
}  # fmt: skip
"""The functions that move tasks."""

MOVE = re.compile(r"(\w+) -> (\w+) \((\w+)\)")
TYPES = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float8": "double precision",
    "bool": "boolean",
}


def comment(name: str) -> str:
    """The comment that a statement begins with."""
    lines = statement(name).splitlines()
    body = next(i for i, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:body])


def body(name: str) -> str:
    """A statement, and the functions of the schema that it is made of."""
    text = statement(name).removeprefix(comment(name))
    called = [name for name in CALLED.findall(text) if name in ACTING]
    for function in called:
        text += FUNCTIONS[function]
        called += [
            name for name in CALLED.findall(FUNCTIONS[function]) if name in ACTING - {*called}
        ]
    return text


def line(name: str, label: str) -> str:
    found = re.search(rf"^-- {label}: +(.*)$", comment(name), re.MULTILINE)
    return found[1] if found else ""


def words(name: str, label: str) -> set[str]:
    return set(re.findall(r"\w+", line(name, label)))


def sql_name(kind: Any) -> str:
    """How SQL calls a type that asyncpg tells of."""
    name: str = kind.name
    if kind.kind == "array":
        base = name.removesuffix("[]")
        return f"{TYPES.get(base, base)}[]"
    return TYPES.get(name, name)


async def test_every_statement_prepares_with_the_parameters_that_it_documents(
    database: Connection,
) -> None:
    for name in names():
        prepared = await database.prepare(statement(name))
        actual = [sql_name(kind) for kind in prepared.get_parameters()]
        documented = PARAMETER.findall(comment(name))
        assert [int(number) for number, _, _ in documented] == list(range(1, len(actual) + 1)), name
        assert [kind for _, _, kind in documented] == actual, name


@pytest.mark.parametrize("name", names())
def test_a_statement_says_what_it_does_and_what_it_returns(name: str) -> None:
    first, *_ = comment(name).splitlines()
    assert re.fullmatch(r"-- [A-Z].{10,}[.?!:]?.*", first)
    assert line(name, "returns")


@pytest.mark.parametrize("name", names())
def test_a_statement_casts_every_parameter_so_that_postgres_never_guesses(name: str) -> None:
    body = statement(name).removeprefix(comment(name))
    assert re.findall(r"\$\d+(?!\d|::)", body) == []


def test_every_legal_move_has_a_statement_and_no_statement_makes_another() -> None:
    documented = {move for name in names() for move in MOVE.findall(line(name, "moves"))}
    legal = {(str(s), str(to), str(m)) for s, row in MOVES.items() for m, to in row.items()}
    assert documented == legal


def test_births_are_the_initial_states() -> None:
    births = {birth for name in names() for birth in words(name, "births")}
    assert births == {str(state) for state in INITIAL_STATES}


def test_every_type_of_event_is_written_by_some_statement() -> None:
    told = {event for name in names() for event in words(name, "events")}
    assert told == {str(kind) for kind in EventType}


@pytest.mark.parametrize("name", names())
def test_a_statement_writes_events_exactly_if_it_says_so(name: str) -> None:
    assert ("insert into hive.event" in body(name)) is bool(words(name, "events"))


@pytest.mark.parametrize("name", names())
def test_a_statement_sets_a_state_exactly_if_it_documents_a_move(name: str) -> None:
    sets_state = re.search(r"set\s+state = |insert into hive.task", body(name)) is not None
    assert sets_state is bool(words(name, "moves") or words(name, "births"))


async def test_postgres_knows_the_same_words_in_the_same_order(database: Connection) -> None:
    for type_name, labels in (
        ("task_state", TaskState),
        ("outcome", OutcomeName),
        ("event_type", EventType),
    ):
        found = await database.fetchval(f"select enum_range(null::hive.{type_name})::text[]")
        assert found == [str(label) for label in labels]


async def test_every_check_of_the_schema_has_a_name_that_reads_as_a_sentence(
    database: Connection,
) -> None:
    checks = await database.fetch(
        "select conname from pg_constraint where contype = 'c'"
        " and connamespace = 'hive'::regnamespace"
    )
    assert checks
    for check in checks:
        assert len(check["conname"].split("_")) >= 4, check["conname"]


async def test_every_moment_of_the_schema_has_a_time_zone(database: Connection) -> None:
    naive = await database.fetch(
        "select table_name, column_name from information_schema.columns"
        " where table_schema = 'hive'"
        " and data_type in ('timestamp without time zone', 'date', 'time without time zone')"
    )
    assert naive == []


async def test_no_sequence_gives_out_leases(database: Connection) -> None:
    """After a failover a sequence repeats itself, and with it the fencing token."""
    [column] = await database.fetch(
        "select data_type, column_default from information_schema.columns"
        " where table_schema = 'hive' and table_name = 'lease' and column_name = 'id'"
    )
    assert tuple(column) == ("uuid", None)


async def test_the_schema_number_is_that_of_the_last_migration(database: Connection) -> None:
    assert await database.fetchval("select max(number) from hive.migration") == LATEST


def test_an_unknown_statement_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        statement("delete_everything")
