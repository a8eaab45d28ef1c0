"""A quota that is used up, through a real Hive: what runs goes on, the rest waits and wakes."""

import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg

from hive_client import Hive
from hive_contracts.ids import TaskId
from hive_contracts.states import TaskState
from hive_testkit.cluster import Cluster
from hive_testkit.waiting import until

TEAM = "anthropic:team"
WITHIN = timedelta(seconds=120)
PATIENCE_SECONDS = 120.0
TASKS, SLOTS = 50, 5
TRUE = {"argv": ["true"]}

MODULE = '''
import asyncio
from datetime import timedelta
from pathlib import Path

from hive_calls.asking import QuotaReached


async def ask(folder: str, number: int) -> int:
    """Write down that it runs, and do then what the test says."""
    with (Path(folder) / "begun").open("a") as begun:
        begun.write(f"{number}\\n")
    while not (said := _said(Path(folder), number)):
        await asyncio.sleep(0.05)
    if said == "quota":
        raise QuotaReached(timedelta(hours=1), "429 Too Many Requests")
    return number


def _said(folder: Path, number: int) -> str:
    for name in (f"word-{number}", "word"):
        if (folder / name).exists():
            return (folder / name).read_text()
    return ""
'''


class Scene:
    """Fifty tasks that share a breaker, and what has begun of them."""

    def __init__(self, folder: Path, database: asyncpg.Connection) -> None:
        self.folder = folder
        self.database = database

    def begun(self) -> list[int]:
        file = self.folder / "begun"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def say(self, word: str, number: int | None = None) -> None:
        name = "word" if number is None else f"word-{number}"
        (self.folder / f".{name}").write_text(word)
        (self.folder / f".{name}").rename(self.folder / name)

    async def count(self, condition: str) -> int:
        return await self.database.fetchval(
            f"select count(*) from hive.task where breaker is not null and {condition}"
        )

    def counts(self, number: int, condition: str) -> Callable[[], Awaitable[bool]]:
        async def is_so() -> bool:
            return await self.count(condition) == number

        return is_so


def start(cluster: Cluster, folder: Path) -> None:
    (folder / "quotas.py").write_text(MODULE)
    for queen in ("queen", "other"):
        cluster.start(queen, "queen")
    env = {"PYTHONPATH": str(folder), "HIVE_WORKER_SLOTS": str(SLOTS)}
    cluster.start("worker", "worker", "--allow", "quotas", env=env)


async def test_after_the_first_signal_nothing_begins_and_all_succeed_once_there_is_quota(
    cluster: Cluster, hive: Hive, database: asyncpg.Connection, tmp_path: Path
) -> None:
    scene = Scene(tmp_path, database)
    sharing = hive.with_options(breaker=TEAM, max_attempts=1)
    ids: list[TaskId] = [
        await sharing.submit("call", {"function": "quotas:ask", "args": [str(tmp_path), n]})
        for n in range(TASKS)
    ]
    start(cluster, tmp_path)
    await until(lambda: len(scene.begun()) == SLOTS, within_seconds=PATIENCE_SECONDS)
    first, *others = scene.begun()
    scene.say("quota", first)

    # The one that met the quota waits with those that had not begun; what ran, still does.
    left = TASKS - SLOTS + 1
    await until(
        scene.counts(left, f"state = 'blocked' and waits_for_limit = 'breaker:{TEAM}'"),
        within_seconds=PATIENCE_SECONDS,
    )
    cluster.signal("queen", signal.SIGKILL)
    [breaker] = await hive.breakers()
    assert (breaker.is_open, breaker.reason) == (True, "429 Too Many Requests")
    assert (await hive.show(ids[first])).breaker == TEAM
    assert b"is open until" in await cluster.printed("show", str(ids[first]))

    # A slot is free all the time, and what names no breaker uses it.
    for number in others:
        scene.say("go", number)
        other = await hive.submit("command", TRUE)
        assert (await hive.wait(other, within=WITHIN)).state is TaskState.SUCCEEDED
    await until(scene.counts(SLOTS - 1, "state = 'succeeded'"), within_seconds=PATIENCE_SECONDS)
    assert sorted(scene.begun()) == sorted([first, *others])
    assert await database.fetchval("select count(*) from hive.event where type = 'started'") == (
        SLOTS + len(others)
    )

    # The hour is over: one tries, alone, and then all the others go.
    (tmp_path / f"word-{first}").unlink()
    await database.execute("update hive.usage_limit set open_until = now()")
    await until(lambda: len(scene.begun()) == SLOTS + 1, within_seconds=PATIENCE_SECONDS)
    [half_open] = await hive.breakers()
    assert (half_open.is_open, half_open.probe_id) == (False, ids[scene.begun()[-1]])
    other = await hive.submit("command", TRUE)
    assert (await hive.wait(other, within=WITHIN)).state is TaskState.SUCCEEDED
    assert len(scene.begun()) == SLOTS + 1
    scene.say("go")
    for task_id in ids:
        ended = await hive.wait(task_id, within=WITHIN)
        assert (ended.state, ended.attempt) == (TaskState.SUCCEEDED, 1)
    assert await hive.breakers() == []
    assert len(scene.begun()) == TASKS + 1
    assert await scene.count("failures > 0 or losses > 0 or max_attempts <> 1") == 0


async def test_a_command_says_with_an_exit_code_that_its_quota_is_used_up(
    cluster: Cluster, hive: Hive, tmp_path: Path
) -> None:
    gate = tmp_path / "quota"
    asking = {"argv": ["test", "-e", str(gate)], "quota_codes": [1]}
    cluster.start("queen", "queen")
    cluster.start("worker", "worker")
    ids = [await hive.submit("command", asking, breaker=TEAM) for _ in range(3)]

    async def is_open() -> bool:
        return any(breaker.waiting == len(ids) for breaker in await hive.breakers())

    await until(is_open, within_seconds=PATIENCE_SECONDS)
    gate.touch()
    assert await hive.close_breaker(TEAM)
    for task_id in ids:
        assert (await hive.wait(task_id, within=WITHIN)).state is TaskState.SUCCEEDED
