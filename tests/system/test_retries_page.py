"""The Python and the SQL of docs/retries.md do what the page says they do."""

import ast
import re
import sys
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

import asyncpg
import pytest

from hive_calls.asking import Park, QuotaReached, Snooze
from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_contracts.tasks import NewTask

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PAGE: Final = (Path(__file__).parents[2] / "docs" / "retries.md").read_text(encoding="utf-8")
PROGRAMS: Final = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
STATEMENTS: Final = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
FUNCTIONS: Final = re.findall(r"in SQL `([^`]+)`\s+and\s+`([^`]+)`", PAGE)
"""What sets something aside, and what undoes it."""

TRUE: Final = NewTask(kind="command", payload={"argv": ["true"]})


class Answer:
    """A provider that is asked too often."""

    status = 429
    headers: Final = {"retry-after": "7"}


def post(_question: str) -> type[Answer]:
    return Answer


def is_there(day: str) -> bool:
    return day != "tomorrow"


def is_approved(day: str) -> bool:
    return day == "yesterday"


@pytest.fixture
async def hive(database_url: str, redis_url: str) -> AsyncGenerator[Hive]:
    async with Hive.connect(database_url, redis_url) as hive:
        yield hive


@pytest.fixture
def page(hive: Hive) -> Generator[ModuleType]:
    """A module with the functions that the page defines, and what it takes for granted."""
    module = ModuleType("retries_page")
    vars(module).update(
        hive=hive,
        timedelta=timedelta,
        is_there=is_there,
        is_approved=is_approved,
        post=post,
    )
    sys.modules[module.__name__] = module
    for program in PROGRAMS:
        run_parts(program, module, only=(ast.Import, ast.ImportFrom, ast.FunctionDef))
    yield module
    del sys.modules[module.__name__]


def run_parts(program: str, module: ModuleType, *, only: tuple[type[ast.stmt], ...]) -> Any:
    """Run the statements of such types, in the module; return what is to be awaited."""
    tree = ast.parse(program)
    tree.body = [part for part in tree.body if isinstance(part, only)]
    code = compile(tree, module.__name__, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return eval(code, vars(module))


def test_there_is_something_to_try() -> None:
    assert (len(PROGRAMS), len(STATEMENTS), len(FUNCTIONS)) == (3, 1, 2)


async def test_what_the_programs_submit_has_the_policies_that_they_say(
    page: ModuleType, hive: Hive, database: Connection
) -> None:
    for program in PROGRAMS:
        waits: Any = run_parts(program, page, only=(ast.Assign, ast.Expr))
        if waits is not None:
            await waits
    rows = await database.fetch(
        "select kind, retry, max_attempts, breaker from hive.task order by id"
    )
    assert [tuple(row) for row in rows] == [
        ("command", "fixed(30s)", 5, None),
        ("call", "exponential(1s, max 1h, jitter) only on ConnectionError", 20, None),
        ("call", None, 3, "anthropic:team"),
    ]


def test_the_functions_ask_for_what_the_page_says(page: ModuleType) -> None:
    with pytest.raises(Snooze, match="the report is not there yet"):
        page.fetch("tomorrow")
    with pytest.raises(Park, match="somebody has to approve it"):
        page.fetch("today")
    with pytest.raises(QuotaReached, match="429"):
        page.ask("why?")


async def test_the_statement_submits_a_task_with_its_policy(database: Connection) -> None:
    [statement] = STATEMENTS
    assert await database.execute(statement) == "INSERT 0 1"
    row = await database.fetchrow("select max_attempts, retry from hive.task")
    assert row is not None
    assert tuple(row) == (5, "fixed(30s) only on 75")


async def test_what_is_done_by_hand_is_undone_by_hand(hive: Hive, database: Connection) -> None:
    task_ids = (await hive.submit_many([TRUE] * 13))[-2:]
    assert task_ids == [TaskId(12), TaskId(13)]
    [(park, unpark), (opens, closes)] = FUNCTIONS
    assert len(await database.fetch(park)) == 2
    assert {*(await hive.tasks.states(task_ids)).values()} == {TaskState.SCHEDULED}
    assert len(await database.fetch(f"select {unpark}")) == 2
    assert {*(await hive.tasks.states(task_ids)).values()} == {TaskState.QUEUED}
    await database.execute(opens)
    assert [breaker.name for breaker in await hive.breakers()] == ["anthropic:team"]
    assert await database.fetchval(f"select {closes}") is True
    deeds = [row["what"] for row in await database.fetch("select what from hive.audit order by at")]
    assert deeds == ["park", "unpark", "open breaker", "close breaker"]
