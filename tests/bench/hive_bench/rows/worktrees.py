"""Workspaces of a repository with many files, all at once: how long they take, and how much disk.

Each is the worktree of a task that changes a file in it, and stays for review. Beside them stand as
many `git worktree add`, one after another, and as many at once as the machine has processors.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from hive_bench.bench import Bench
from hive_bench.candidates import hive_processes
from hive_bench.crew import FailedError
from hive_bench.rows.row import Measured, Row
from hive_client import Hive
from hive_contracts.tasks import NewTask
from hive_process.workspaces.quota import size_of

__all__ = ["WORKTREES"]

LONGEST_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 0.2
FOLDERS: Final = 100
FILE_BYTES: Final = 2000
OWN_REFS: Final = ("refs/heads/hive", "refs/heads/plain")

TOOK: Final = """
select extract(epoch from max(finished_at) - min(started_at))::double precision
from hive.task where state = 'succeeded'
"""


async def _worktrees(bench: Bench) -> Measured:
    folder = bench.ground.folder / "worktrees"
    repo = await asyncio.to_thread(_repository, folder, bench.scale.files)
    count, plain = bench.scale.worktrees, dict[str, float]()
    try:
        ours, size = await _as_tasks(bench, repo, folder / "ws")
        bench.note(f"worktrees as tasks: {ours:.1f} s, {size / 1e6:,.0f} MB")
        for name, at_once in (("one by one", 1), ("side by side", os.cpu_count() or 1)):
            plain[name] = await _plain(repo, folder / "plain", count, at_once)
            bench.note(f"worktrees by git, {name}: {plain[name]:.1f} s")
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    details = {
        "seconds for all as tasks": [ours],
        "seconds for all by git": {name: [seconds] for name, seconds in plain.items()},
        "bytes of disk for each": [size / count],
    }
    return Measured([[seconds / ours] for seconds in plain.values()], details)


def _repository(folder: Path, files: int) -> Path:
    repo = folder / "repo"
    for number in range(files):
        path = repo / f"folder{number % FOLDERS}" / f"file{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * (FILE_BYTES // (len(str(number)) + 1)))
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "Bench"),
        ("config", "user.email", "bench@localhost"),
        ("add", "."),
        ("commit", "-q", "-m", "first"),
    ):
        subprocess.run(["git", *words], cwd=repo, check=True, timeout=LONGEST_SECONDS)
    return repo


async def _as_tasks(bench: Bench, repo: Path, root: Path) -> tuple[float, int]:
    """Return how many seconds the tasks took together, and what their workspaces hold then."""
    count = bench.scale.worktrees
    payload = {
        "argv": ["sh", "-c", "echo changed > changed"],
        "workspace": {"kind": "repo", "repo": str(repo)},
    }
    options = ("--async", "--slots", str(count), "--set", f"workspaces.root={root}")
    async with bench.crew("hive") as crew:
        async with Hive.connect(crew.ground.url_of(crew.database), crew.ground.redis_url) as hive:
            await hive.submit_many([NewTask(kind="command", payload=payload)] * count)
        with crew.at_work(processes=hive_processes(1, *options)):
            await crew.until_finished(within_seconds=LONGEST_SECONDS, look_seconds=LOOK_SECONDS)
        async with bench.ground.connected(crew.database) as connection:
            review = "select count(*) from hive.workspace where state = 'review'"
            if (left := await connection.fetchval(review)) != count:
                raise FailedError(f"{left} of {count} workspaces wait for review")
            took = float(await connection.fetchval(TOOK))
    size = await asyncio.to_thread(size_of, root)
    await _forget(repo, root)
    return took, size


async def _plain(repo: Path, root: Path, count: int, at_once: int) -> float:
    """Return how many seconds so many `git worktree add` take, so many at once."""
    numbers = iter(range(count))
    root.mkdir()

    async def add_some() -> None:
        for number in numbers:
            words = ("worktree", "add", "-q", "-b", f"plain/{number}", str(root / str(number)))
            git = await asyncio.create_subprocess_exec("git", *words, cwd=repo)
            if code := await git.wait():
                raise FailedError(f"git worktree add ended with {code}")

    began_at = time.perf_counter()
    await _side_by_side(add_some, at_once)
    took = time.perf_counter() - began_at
    await _forget(repo, root)
    return took


async def _side_by_side(work: Callable[[], Awaitable[None]], count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(_awaited(work))


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _forget(repo: Path, root: Path) -> None:
    """Leave the repository as it was made."""
    await asyncio.to_thread(shutil.rmtree, root)
    # Those of tasks are locked, and no prune would take them.
    await asyncio.to_thread(shutil.rmtree, repo / ".git" / "worktrees", ignore_errors=True)
    listed = subprocess.run(
        ["git", "for-each-ref", "--format=delete %(refname)", *OWN_REFS],
        cwd=repo, capture_output=True, check=True,
    )  # fmt: skip
    subprocess.run(["git", "update-ref", "--stdin"], cwd=repo, input=listed.stdout, check=True)


WORKTREES: Final = (
    Row(
        name="worktrees",
        says="workspaces of a repository at once: git alone, one by one / side by side, to tasks",
        reach=(None, None),
        measure=_worktrees,
        is_asked_for=True,
    ),
)
