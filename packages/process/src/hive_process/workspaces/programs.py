"""How git and others are run and read: by a worker's spawner, or as a child of a command line."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from hive_contracts.errors import RefusedWorkspaceError, ServiceUnavailableError
from hive_contracts.spawning import Launch, Spawner

__all__ = ["ChildPrograms", "Programs", "Ran", "SpawnedPrograms", "git_environment"]

PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND")


class Ran(NamedTuple):
    """How a program ended."""

    code: int
    """Its exit code, or 128 and the signal that ended it."""

    out: bytes
    err: str


class Programs(Protocol):
    """Runs programs to their end."""

    async def run(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
    ) -> Ran:
        """Run a program; if cancelled, return once nothing of it is left.

        Raises:
            RefusedWorkspaceError: there is no such program or directory.
        """
        ...


def git_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what git sees of `environment`: no repository of its caller's, and nobody to ask."""
    passed = {name: environment[name] for name in PASSED_ON if name in environment}
    return {**passed, "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0"}


class SpawnedPrograms:
    """Runs programs by a worker's spawner, so that they die with it. Satisfies `Programs`."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner

    async def run(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
    ) -> Ran:
        """Run a program to its end."""
        files = [os.memfd_create("hive", os.MFD_CLOEXEC) for _ in range(3)]
        try:
            os.write(files[0], stdin)
            os.lseek(files[0], 0, os.SEEK_SET)
            launch = Launch(argv=tuple(argv), env=env, cwd=str(cwd), files=dict(enumerate(files)))
            try:
                process = await self._spawner.spawn(launch)
            except OSError as error:
                raise _missing(argv[0], cwd, error) from error
            try:
                ended = await process.wait()
            except asyncio.CancelledError:
                await process.stop(grace_seconds=0)
                raise
            if ended.fenced:
                raise ServiceUnavailableError("the worker could not prove its leases in time")
            code = 128 + (ended.signal or 0) if ended.code is None else ended.code
            return Ran(code, _content(files[1]), _content(files[2]).decode(errors="replace"))
        finally:
            for file in files:
                os.close(file)


class ChildPrograms:
    """Runs programs as children of this process. Satisfies `Programs`."""

    async def run(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
    ) -> Ran:
        """Run a program to its end."""
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *argv, cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            raise _missing(argv[0], cwd, error) from error
        try:
            out, err = await child.communicate(stdin)
        except asyncio.CancelledError:
            child.kill()
            await child.wait()
            raise
        code = child.returncode or 0
        return Ran(128 - code if code < 0 else code, out, err.decode(errors="replace"))


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _missing(program: str, cwd: Path, error: OSError) -> RefusedWorkspaceError:
    what = f"directory {cwd}" if error.filename == str(cwd) else program
    return RefusedWorkspaceError(f"{what} cannot be used here: {error.strerror}")
