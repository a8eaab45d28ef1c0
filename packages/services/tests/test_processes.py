"""Processes that die with their parent, and are killed when they do not listen."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from hive_services.processes import spawn

DEAF = "trap '' INT; echo deaf; while :; do sleep 60; done"

HASTY_PARENT = """
import os, signal, sys
from pathlib import Path
from hive_services.processes import spawn

# By number: a shell that starts late finds another parent.
until_we_are_gone = f'while [ -d "/proc/{os.getpid()}" ]; do sleep 0.01; done; exec "$@"'
child = spawn(
    ["touch", sys.argv[1]],
    prefix=("sh", "-c", until_we_are_gone, "sh"),
    death_signal=signal.SIGTERM,
    log=Path(sys.argv[2]),
)
print(child.pid, flush=True)
os._exit(0)
"""


async def test_a_deaf_process_is_killed_after_the_grace_with_all_below_it(
    tmp_path: Path,
    until: Callable[[Callable[[], object]], Awaitable[None]],
    await_end_of: Callable[[int], None],
) -> None:
    log = tmp_path / "log"
    child = spawn(["/bin/sh", "-c", DEAF], death_signal=signal.SIGKILL, log=log)
    assert child.pid is not None
    await until(lambda: log.read_text() == "deaf\n")
    await until(psutil.Process(child.pid).children)
    below = psutil.Process(child.pid).children()
    assert await child.stop(signal.SIGINT, grace_seconds=0.1) == -signal.SIGKILL
    assert child.pid is None
    await_end_of(below[0].pid)


async def test_the_end_of_a_process_can_be_awaited_again_and_by_many(tmp_path: Path) -> None:
    child = spawn(
        ["/bin/sh", "-c", "read word; exit 7"],
        death_signal=signal.SIGKILL,
        log=tmp_path / "log",
        stdin=subprocess.PIPE,
    )
    async with asyncio.TaskGroup() as group:
        waiters = [group.create_task(child.wait()) for _ in range(3)]
        child.feed(b"go\n")
    assert [waiter.result() for waiter in waiters] == [7, 7, 7]
    assert await child.wait() == 7


def test_a_program_does_not_start_once_its_parent_is_gone(
    tmp_path: Path, await_end_of: Callable[[int], None]
) -> None:
    # The parent dies after the fork and before its child asks to be told of that.
    ran = tmp_path / "ran"
    ended = subprocess.run(
        [sys.executable, "-c", HASTY_PARENT, ran, tmp_path / "log"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    await_end_of(int(ended.stdout))
    assert not ran.exists()
