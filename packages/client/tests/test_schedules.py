"""Schedules from Python: with asyncio and without, the same methods."""

import getpass
import inspect
from datetime import timedelta

import asyncpg
import pytest

from hive_calls.demonstration import echo
from hive_client import Cron, Every, Hive, NewTask, Overlap, SyncHive, call
from hive_client.schedules import Schedules, next_ticks
from hive_client.sync_schedules import SyncSchedules
from hive_contracts.errors import (
    MalformedPayloadError,
    RefusedScheduleError,
    UnknownScheduleError,
)

TRUE = NewTask(kind="command", payload={"argv": ["true", "{tick}"]})


async def test_a_schedule_is_added_shown_paused_run_and_removed(
    hive: Hive, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    schedules = hive.schedules
    added = await schedules.add("nightly", Cron("@daily", "Asia/Tokyo"), TRUE)
    assert (added.name, added.overlap, added.is_reckoned) == ("nightly", Overlap.SKIP, False)
    first, second = next_ticks(added, count=2)
    assert second - first == timedelta(days=1)
    assert await schedules.pause("nightly")
    assert not await schedules.pause("nightly")
    assert await schedules.resume("nightly")
    task_id = await schedules.run("nightly")
    [tick] = await schedules.ticks("nightly")
    assert (tick.task_id, tick.is_extra) == (task_id, True)
    assert (await hive.show(task_id)).payload == {"argv": ["true", tick.said]}
    await schedules.add("hourly", Every(timedelta(hours=1)), call(echo, "x"))
    assert [schedule.name async for schedule in schedules.all()] == ["hourly", "nightly"]
    with pytest.raises(RefusedScheduleError, match="already"):
        await schedules.add("hourly", Cron("@daily"), TRUE)
    replaced = await schedules.add("hourly", Cron("@daily"), TRUE, replace=True)
    assert replaced.when == Cron("@daily")
    await schedules.remove("nightly")
    with pytest.raises(UnknownScheduleError, match="'nightly'"):
        await schedules.show("nightly")
    actors = await database.fetch("select distinct actor from hive.audit")
    assert [row["actor"] for row in actors] == [getpass.getuser()]


async def test_a_payload_that_its_kind_refuses_is_refused_before_its_first_tick(hive: Hive) -> None:
    with pytest.raises(MalformedPayloadError, match="argv"):
        await hive.schedules.add("x", Cron("@daily"), NewTask(kind="command"))
    assert [schedule async for schedule in hive.schedules.all()] == []


def test_without_asyncio_it_is_the_same(database_url: str, redis_url: str) -> None:
    with SyncHive.connect(database_url, redis_url) as hive:
        hive.schedules.add("pulse", Every(timedelta(minutes=1)), TRUE)
        assert [schedule.name for schedule in hive.schedules.all()] == ["pulse"]
        assert hive.schedules.pause("pulse")
        assert hive.schedules.show("pulse").paused_at is not None
        assert hive.schedules.resume("pulse")
        task_id = hive.schedules.run("pulse")
        assert [tick.task_id for tick in hive.schedules.ticks("pulse", limit=1)] == [task_id]
        hive.schedules.remove("pulse")


def test_the_twin_has_every_method_and_takes_what_the_original_takes() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(SyncSchedules) == methods(Schedules)
