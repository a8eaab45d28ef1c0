"""Ticks while queens come and go: several processes, one of them killed, and none for a while."""

import asyncio
import json
import re
import shlex
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg

from hive_client import Every, Hive, Missed, NewTask, Overlap
from hive_testkit.cluster import Cluster
from hive_testkit.console import LONGEST_SECONDS, Console
from hive_testkit.waiting import until

TRUE = NewTask(kind="command", payload={"argv": ["true"]})
SECOND = timedelta(seconds=1)

PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"
COMMANDS = re.compile(r"^\$ (.+)$", re.MULTILINE)
SQL = re.compile(r"```sql\n(.*?)```", re.DOTALL)
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


async def test_no_second_is_lost_or_doubled_while_a_queen_is_killed(
    cluster: Cluster, hive: Hive
) -> None:
    """And then all of them: the seconds without a queen are made up for."""
    names = ("first", "second", "third")
    for name in names:
        cluster.start(name, "queen")
    await hive.schedules.add("pulse", Every(SECOND), TRUE, missed=Missed.ALL, overlap=Overlap.ALLOW)

    async def has_ticked(count: int) -> bool:
        return len(await hive.schedules.ticks("pulse", limit=1000)) >= count

    await until(lambda: has_ticked(4), within_seconds=120)
    cluster.signal("first", signal.SIGKILL)
    await until(lambda: has_ticked(8), within_seconds=120)
    for name in names[1:]:
        cluster.signal(name, signal.SIGKILL)
        await asyncio.to_thread(cluster.processes[name].wait, 60)
    seen = len(await hive.schedules.ticks("pulse", limit=1000))
    schedule = await hive.schedules.show("pulse")
    last = schedule.next_at
    assert last is not None

    async def seconds_have_passed() -> bool:
        return (await hive.schedules.show("pulse")).now > last + 3 * SECOND

    await until(seconds_have_passed, within_seconds=120)
    cluster.start("fourth", "queen")
    await until(lambda: has_ticked(seen + 4), within_seconds=120)
    await hive.schedules.pause("pulse")
    ticks = list(reversed(await hive.schedules.ticks("pulse", limit=1000)))
    moments = [tick.tick_at for tick in ticks]
    assert moments == [moments[0] + SECOND * number for number in range(len(moments))]
    task_ids = [tick.task_id for tick in ticks]
    assert len(set(task_ids)) == len(ticks)
    counts = await hive.tasks.count()
    assert sum(counts["default"].values()) == len(ticks)


def test_every_example_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    commands, [program], [statements] = (p.findall(text) for p in (COMMANDS, PROGRAM, SQL))
    assert len(commands) > 10
    console = Console(tmp_path / "data")
    try:
        assert console("up", "-d").returncode == 0
        for command in commands:
            words = shlex.split(command, comments=True)[1:]
            done = console(*words)
            assert done.returncode == 0, f"{command}: {done.stderr}"
        url = json.loads((tmp_path / "data" / "up.json").read_text())["database_url"]
        asyncio.run(execute(url, statements))
        (tmp_path / "program.py").write_text(program)
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=tmp_path,
            env=console.environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "succeeded"
    finally:
        console("down", "--now")


async def execute(url: str, statements: str) -> None:
    """Send statements one by one; each must meet a row."""
    connection = await asyncpg.connect(url)
    try:
        for each in filter(str.strip, statements.split(";")):
            assert (await connection.execute(each)).endswith(" 1"), each
    finally:
        await connection.close()
