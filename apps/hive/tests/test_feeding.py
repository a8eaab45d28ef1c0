"""Feeding: what is in is known, whatever Postgres does."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from hive.settings import load
from hive.submitting.feeding import Feeder, NumberedTask, UnsureError
from hive.submitting.groups import command_to_go_on
from hive.submitting.lines import RefusedLineError
from hive.tasks.reaching import View, open_view
from hive_contracts.errors import StoreUnavailableError
from hive_contracts.ids import TaskId
from hive_contracts.selecting import Selection
from hive_contracts.tasks import NewTask
from hive_store import Line, TaskStore, migrate, open_line
from hive_testkit.plugin import OwnServer


class ForgetfulStore(TaskStore):
    """Tasks go in as ever, but the first answer is lost on the way."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.has_lost_one = False

    async def submit(self, tasks: Sequence[NewTask], **options: Any) -> list[TaskId]:
        task_ids = await super().submit(tasks, **options)
        if not self.has_lost_one:
            self.has_lost_one = True
            raise StoreUnavailableError("the answer is lost")
        return task_ids


@asynccontextmanager
async def view_of(database_url: str) -> AsyncGenerator[View]:
    async with open_view(load(flags={"database.url": database_url})) as view:
        yield view


def chunk(*tasks: NewTask, first: int = 1) -> list[NumberedTask]:
    return [NumberedTask(number, task) for number, task in enumerate(tasks, first)]


def good(group: str = "g") -> NewTask:
    return NewTask(kind="call", group=group)


async def count_in(view: View) -> int:
    return len(await view.selector.page(Selection(), limit=100))


async def test_what_only_the_store_refuses_is_told_by_its_line_and_what_is_before_it_is_in(
    database_url: str,
) -> None:
    async with view_of(database_url) as view:
        feeder = Feeder(view)
        await feeder.begin()
        bad = replace(good(), priority=-1)
        with pytest.raises(RefusedLineError, match="line 6: a priority is from 0"):
            await feeder.put(chunk(good(), good(), good(), bad, good(), first=3))
        assert (feeder.accepted, feeder.last_line, await count_in(view)) == (3, 5, 3)


async def test_tasks_that_went_in_although_the_answer_was_lost_are_found_and_not_doubled(
    database_url: str,
) -> None:
    async with view_of(database_url) as view, open_line(database_url) as line:
        forgetful = View(line)
        forgetful.tasks = ForgetfulStore(line)
        feeder = Feeder(forgetful)
        await view.tasks.submit([good(), good("other")])
        await feeder.begin()
        task_ids = await feeder.put(chunk(good(), good("other"), good()))
        assert (feeder.accepted, len(task_ids), await count_in(view)) == (3, 3, 5)
        records = await view.tasks.read_many(task_ids)
        assert [record.group for record in records] == ["g", "other", "g"]


async def test_when_others_use_the_group_too_it_is_not_guessed_what_is_in(
    database_url: str,
) -> None:
    async with view_of(database_url) as view, open_line(database_url) as line:
        forgetful = View(line)
        forgetful.tasks = ForgetfulStore(line)
        feeder = Feeder(forgetful)
        await feeder.begin()
        await view.tasks.submit([good()])
        with pytest.raises(UnsureError) as raised:
            await feeder.put(chunk(good(), good()))
        assert (feeder.accepted, raised.value.first, raised.value.last) == (0, 1, 2)


async def test_a_postgres_that_does_not_come_back_is_not_waited_for_for_ever(
    own_postgres: OwnServer,
) -> None:
    await migrate(own_postgres.url)
    async with view_of(own_postgres.url) as view:
        feeder = Feeder(view, patience_seconds=0)
        await feeder.begin()
        await feeder.put(chunk(good()))
        await own_postgres.kill()
        with pytest.raises(UnsureError) as raised:
            await feeder.put(chunk(good(), good(), first=2))
    assert (feeder.accepted, feeder.last_line) == (1, 1)
    assert "whether lines 2 to 3 are in" in raised.value.way_out("g")
    assert "shows their 2 tasks, go on from line 4" in raised.value.way_out("g")


def test_the_command_to_go_on_is_what_was_typed_with_another_place() -> None:
    typed = ["map", "--group=old", "--from-line", "3", "-k", "--", "tool", "--group", "x y"]
    again = command_to_go_on(typed, group="g", from_line=9, command=["tool", "--group", "x y"])
    assert again == "hive map -k --group g --from-line 9 -- tool --group 'x y'"
    assert command_to_go_on(["submit", "--jsonl", "a b"], group="g", from_line=2) == (
        "hive submit --jsonl 'a b' --group g --from-line 2"
    )
