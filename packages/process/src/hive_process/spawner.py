"""The spawner that a worker lends to its executors: every process is its guardian's.

The worker itself starts one process, the guardian (see `guardian`), and asks it for all others.
What it costs: a message each way, shared by all that happens in one turn of the event loop. What it
gives: no tree outlives the worker, or the moment until which the worker's leases are proved.

If the guardian is gone, `lost` is set, what carried its mark is swept away, and every wait raises
`ServiceUnavailableError`: a worker without a guardian can keep no promise and should end.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Final, Self

from hive_contracts.errors import ServiceUnavailableError
from hive_contracts.spawning import Exit, Fences, Launch
from hive_process import frames, procfs
from hive_process.channel import Channel
from hive_process.launching import out_of_the_way
from hive_process.proofs import ProofPipe
from hive_process.sweep import sweep_abandoned

__all__ = ["GuardedProcess", "GuardedSpawner"]

GUARDIAN_CODE: Final = (
    "import sys; sys.path.append(sys.argv[1]); from hive_process.guardian import main; "
    "main(*map(int, sys.argv[2:]))"
)
_GUARDIAN_FILES: Final = (3, 4)
"""The guardian's descriptors of its socket, and of the pipe through which it hears proofs."""

_START_SECONDS: Final = 30.0
"""Longest wait for the guardian's first word; it takes 20 ms on an idle machine."""

_CLOSE_SECONDS: Final = 10.0
"""Longest wait for the guardian to end everything; past it, the guardian goes on by itself."""


class GuardedProcess:
    """A started process and its tree. Satisfies `hive_contracts.spawning.Process`."""

    def __init__(self, number: int, channel: Channel) -> None:
        self._number = number
        self._channel = channel
        self._pid: int | None = None
        self._exit: Exit | None = None
        self._failure: Exception | None = None
        self._begun = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def pid(self) -> int:
        """Process id, which is also its process group and session."""
        if self._pid is None:
            raise AssertionError("the process has not been started")
        return self._pid

    async def wait(self) -> Exit:
        """Return how it ended, once nothing of its tree is left. May be awaited again.

        Raises:
            ServiceUnavailableError: the guardian is gone, or the spawner was closed.
        """
        await self._over.wait()
        if self._exit is None:
            raise ServiceUnavailableError(str(self._failure)) from self._failure
        return self._exit

    def ask_to_stop(self, *, grace_seconds: float) -> None:
        """Begin to stop the tree as `stop` does, and return at once."""
        if not self._over.is_set():
            self._channel.send(frames.encode_stop(self._number, grace_seconds))

    async def stop(self, *, grace_seconds: float) -> Exit:
        """SIGTERM to the tree, then SIGKILL after the grace; return once nothing of it is left.

        Cancelling this call does not call off the stop.

        Raises:
            ServiceUnavailableError: the guardian is gone, or the spawner was closed.
        """
        self.ask_to_stop(grace_seconds=grace_seconds)
        return await self.wait()

    async def begin(self) -> None:
        """Return once the process runs; if cancelled, only once nothing of it does.

        Raises:
            OSError: the program or the directory may not be used.
            ServiceUnavailableError: it was refused because no lease is proved, or the guardian is
                gone.
        """
        try:
            await self._begun.wait()
        except asyncio.CancelledError:
            self.ask_to_stop(grace_seconds=0.0)
            await _outlast_cancelling(self._over)
            raise
        if self._pid is None and self._failure is not None:
            raise self._failure

    def hear(self, kind: int, body: bytes) -> None:
        """Take note of what the guardian says of this process."""
        if kind == frames.STARTED:
            self._pid = frames.decode_started(body)
        elif kind == frames.REFUSED:
            self.fail(_refusal(*frames.decode_refused(body)))
        else:
            self._exit = _exit_of(frames.decode_ended(body))
            self._over.set()
        self._begun.set()

    def fail(self, failure: Exception) -> None:
        """Take note that nothing more will be heard of this process."""
        self._failure = failure
        self._begun.set()
        self._over.set()


class GuardedSpawner:
    """Starts processes through a guardian. Satisfies `hive_contracts.spawning.Spawner`."""

    def __init__(self, connection: socket.socket, proofs: ProofPipe, guardian_pid: int) -> None:
        self.lost = asyncio.Event()
        """Set when the guardian has gone of itself, and what it guarded has been swept away."""

        self.guardian_pid = guardian_pid
        self._proofs = proofs
        self._processes: dict[int, GuardedProcess] = {}
        self._last_number = 0
        self._is_closing = False
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._channel = Channel(connection, on_frame=self._hear, on_end=self._guardian_ended)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Self]:
        """Start a guardian, and end it with all that it guards when the context closes.

        Raises:
            ServiceUnavailableError: the guardian did not start.
        """
        spawner = cls(*_start_guardian())
        try:
            await spawner._wait_until_ready()
            yield spawner
        finally:
            await spawner._close()

    async def spawn(self, launch: Launch) -> GuardedProcess:
        """Start `launch`. If cancelled, it returns once nothing of the process is left.

        Raises:
            OSError: the program or the directory does not exist or may not be used.
            ServiceUnavailableError: the guardian is gone, or refuses because the worker's leases
                are not proved.
        """
        if self._gone.is_set() or self._is_closing:
            raise ServiceUnavailableError("the guardian of this worker's processes is gone")
        self._last_number += 1
        number = self._last_number
        frame = _encode(number, launch)
        process = GuardedProcess(number, self._channel)
        self._processes[number] = process
        self._channel.send(frame, tuple(launch.files.values()))
        await process.begin()
        return process

    def prove_until(self, seconds: float) -> None:
        """Tell the guardian that the worker's leases are proved until `seconds` of CLOCK_BOOTTIME.

        When the furthest such moment has passed, every tree is killed (`Exit.fenced`) and nothing
        new starts. Until the first word, and after one of infinity, there is no such moment. May be
        called from any thread, also while the event loop is blocked.
        """
        self._proofs.send(seconds)

    def _hear(self, kind: int, number: int, body: bytes) -> None:
        if kind == frames.READY:
            self._ready.set()
            return
        process = self._processes[number]
        if kind != frames.STARTED:
            del self._processes[number]
        process.hear(kind, body)

    def _guardian_ended(self) -> None:
        os.waitpid(self.guardian_pid, 0)
        if self._is_closing:
            failure = ServiceUnavailableError("the spawner was closed")
        else:
            sweep_abandoned()
            failure = ServiceUnavailableError(
                f"the guardian {self.guardian_pid} of this worker's processes has died"
            )
            self.lost.set()
        self._gone.set()
        self._ready.set()
        for process in self._processes.values():
            process.fail(failure)
        self._processes.clear()

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._ready.wait()
        except TimeoutError as error:
            raise ServiceUnavailableError(
                f"the guardian {self.guardian_pid} said nothing for {_START_SECONDS:g} s"
            ) from error
        if self._gone.is_set():
            raise ServiceUnavailableError(
                "the guardian did not start; its reason is on this process's standard error"
            )

    async def _close(self) -> None:
        self._is_closing = True
        self._channel.finish()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._gone.wait()
        except TimeoutError:
            # Something of a tree cannot be killed just now; the guardian stays until it can.
            return
        finally:
            self._channel.close()
            self._proofs.close()


def _start_guardian() -> tuple[socket.socket, ProofPipe, int]:
    """Start a guardian; return our end of its socket, the pipe for its proofs, and its pid."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    proofs = ProofPipe()
    try:
        with theirs:
            guardian_pid = _spawn_guardian([theirs.fileno(), proofs.far_end])
    except BaseException:
        ours.close()
        proofs.close()
        raise
    proofs.close_far_end()
    return ours, proofs, guardian_pid


def _spawn_guardian(descriptors: list[int]) -> int:
    marker = os.environb.get(procfs.MARKER)
    packages = str(Path(__file__).parent.parent)
    numbers = [*map(str, _GUARDIAN_FILES), str(os.getpid())]
    raised: list[int] = []
    try:
        sources = out_of_the_way(descriptors, _GUARDIAN_FILES, raised)
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", GUARDIAN_CODE, packages, *numbers],
            {procfs.MARKER: marker} if marker else {},
            file_actions=[
                *(
                    (os.POSIX_SPAWN_DUP2, source, target)
                    for source, target in zip(sources, _GUARDIAN_FILES, strict=True)
                ),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        for descriptor in raised:
            os.close(descriptor)


def _encode(number: int, launch: Launch) -> bytes:
    argv = [os.fsencode(argument) for argument in launch.argv]
    env = [os.fsencode(f"{name}={value}") for name, value in launch.env.items()]
    cwd = None if launch.cwd is None else os.fsencode(launch.cwd)
    group = None if launch.control_group is None else os.fsencode(launch.control_group)
    if not argv:
        raise ValueError("a launch needs at least a program")
    if any(b"\0" in text for text in (*argv, *env, cwd or b"", group or b"")):
        raise ValueError("a launch's arguments, environment and directories can hold no NUL")
    targets = tuple(launch.files)
    return frames.encode_launch(
        number,
        argv=argv,
        env=env,
        cwd=cwd,
        targets=targets,
        fences=_fences(launch.fences),
        control_group=group,
        has_terminal=launch.has_terminal,
    )


def _fences(fences: Fences) -> list[bytes]:
    values = ((field.name, getattr(fences, field.name)) for field in fields(fences))
    return [b"%s=%d" % (name.encode(), value) for name, value in values if value is not None]


def _refusal(error: int, path: bytes) -> Exception:
    if error == frames.NOT_PROVED:
        return ServiceUnavailableError("nothing may start: the worker's leases are not proved")
    return OSError(error, os.strerror(error), os.fsdecode(path))


def _exit_of(ending: frames.Ending) -> Exit:
    has_code = ending.status >= 0
    return Exit(
        code=ending.status if has_code else None,
        signal=None if has_code else -ending.status,
        cpu_seconds=ending.cpu_seconds,
        peak_memory_bytes=ending.peak_memory_bytes,
        left_behind=ending.left_behind,
        fenced=ending.is_fenced,
        stopped=ending.was_stopped,
    )


async def _outlast_cancelling(event: asyncio.Event) -> None:
    """Wait for `event`, whoever cancels; the caller is to raise the first cancellation again."""
    while not event.is_set():
        try:
            await event.wait()
        except asyncio.CancelledError:
            continue
