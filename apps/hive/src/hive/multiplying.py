"""Several worker processes from one command: as many copies, each started again when it dies."""

import os
import signal
import subprocess
import time
from typing import Final

from hive.local_plan import HIVE
from hive.parenthood import DIE_WITH_PARENT
from hive.printing import say
from hive.settings import Settings

__all__ = ["run_copies"]

PAUSE_SECONDS: Final = 1.0
"""Between the death of a copy and the start of the next."""

LOOK_SECONDS: Final = 0.2


def run_copies(count: int, settings: Settings, *, is_async: bool) -> int:
    """Run `count` workers until a signal says otherwise; return the exit code.

    A signal that this process gets is passed on: the first drains the workers, the second ends them
    at once.
    """
    copies = [_Copy(settings, is_async=is_async) for _ in range(count)]
    signals = 0

    def pass_on(_number: int, _frame: object) -> None:
        nonlocal signals
        signals += 1
        for copy in copies:
            copy.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    while not signals:
        for copy in copies:
            if not signals:
                copy.keep_up()
        time.sleep(LOOK_SECONDS)
    # One that was being started when the signal came has not heard of it.
    for copy in copies:
        copy.terminate_untold()
    return max(copy.wait() for copy in copies)


class _Copy:
    """One worker process."""

    def __init__(self, settings: Settings, *, is_async: bool) -> None:
        self._argv = [*HIVE, "worker", "--async" if is_async else "--sync", "--processes", "1"]
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_at = 0.0
        self._is_told = False

    def keep_up(self) -> None:
        """Start it, or start it again if it has been dead for a moment."""
        if self._process is not None and self._process.poll() is not None:
            say(
                f"hive: a worker ended with exit code {self._process.returncode};"
                " it is started again"
            )
            self._process, self._ended_at = None, time.monotonic()
        if self._process is None and time.monotonic() - self._ended_at >= PAUSE_SECONDS:
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **self._settings.for_children(),
            DIE_WITH_PARENT: str(os.getpid()),
        }
        # A session of its own: a Ctrl-C reaches it once, through this process, and not twice.
        return subprocess.Popen(self._argv, env=environment, start_new_session=True)

    def terminate(self) -> None:
        """Have it drain; a second time, have it end at once."""
        if self._process is not None and self._process.poll() is None:
            self._is_told = True
            self._process.terminate()

    def terminate_untold(self) -> None:
        """Have it drain, unless it was told to."""
        if not self._is_told:
            self.terminate()

    def wait(self) -> int:
        """Return its exit code, once it has ended."""
        if self._process is None:
            return 0
        code = self._process.wait()
        # Told while it was still reading its own code: it had begun nothing, and could not listen.
        return 0 if self._is_told and code == -signal.SIGTERM else code
