"""A worker as far as its guardian can tell: runs one shell line, and says what becomes of it.

    worker.py LINE [seconds for which its leases are proved] [fork]

Prints `guardian PID`, then `started PID`, and at the end `ended FENCED SIGNAL`. The line's output
is on the same stream.
"""

import asyncio
import os
import sys
import time

from hive_contracts.spawning import Launch
from hive_process.spawner import GuardedSpawner


def say(line: str) -> None:
    # In one write, because the shell line writes to the same pipe.
    os.write(1, f"{line}\n".encode())


async def work(line: str, proved_seconds: float | None) -> None:
    async with GuardedSpawner.open() as spawner:
        say(f"guardian {spawner.guardian_pid}")
        if proved_seconds is not None:
            now = time.clock_gettime(time.CLOCK_BOOTTIME)
            spawner.prove_until(now + proved_seconds)
        env = {"PATH": os.environ["PATH"]}
        launch = Launch(argv=("/bin/sh", "-c", line), env=env, files={1: 1, 2: 2})
        process = await spawner.spawn(launch)
        if "fork" in sys.argv:
            _leave_a_copy_of_the_socket()
        say(f"started {process.pid}")
        ended = await process.wait()
        say(f"ended {ended.fenced} {ended.signal}")


def _leave_a_copy_of_the_socket() -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    say(f"copy {pid}")


if __name__ == "__main__":
    proved = float(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] != "fork" else None
    asyncio.run(work(sys.argv[1], proved))
