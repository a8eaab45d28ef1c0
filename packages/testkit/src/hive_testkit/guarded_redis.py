"""A Redis that knows Hive's users of least privilege, each with a password of its own."""

import asyncio
import hashlib
import re
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from hive_services.binaries import find_redis
from hive_testkit.waiting import until

__all__ = ["GuardedRedis", "running_guarded_redis"]

PREFIX: Final = re.compile(r"\bhive\b|\bhive(?=_)")


@dataclass(frozen=True, slots=True)
class GuardedRedis:
    """A server that lets nobody in but users that it was told of."""

    place: Path

    def url_of(self, role: str, *, prefix: str = "hive") -> str:
        """Return the address for the user of a role."""
        user = f"{prefix}_{role}"
        return f"unix://{user}:{password_of(user)}@{self.place}?db=0"


def password_of(user: str) -> str:
    """Return the password that a user was given."""
    return f"secret-of-{user}"


@asynccontextmanager
async def running_guarded_redis(
    folder: Path, *, prefixes: tuple[str, ...] = ("hive",)
) -> AsyncGenerator[GuardedRedis]:
    """Run a Redis with the users of Hives that have these prefixes; its files are in `folder`."""
    settings, place = folder / "redis.conf", folder / "redis.sock"
    for prefix in prefixes:
        (folder / f"{prefix}.conf").write_text(_users(prefix), encoding="utf-8")
    includes = "".join(f"include {folder}/{prefix}.conf\n" for prefix in prefixes)
    settings.write_text(
        f'port 0\nunixsocket {place}\nunixsocketperm 700\nsave ""\ndir {folder}\n'
        f"user default off\n{includes}",
        encoding="utf-8",
    )
    with (folder / "redis.log").open("wb") as log:
        command = [find_redis().path, settings]
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - at once
    try:
        await until(lambda: _answers(place, process))
        yield GuardedRedis(place)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)


def _users(prefix: str) -> str:
    """Return the lines of the file that Hive ships, for a prefix and with passwords."""
    text = files("hive_dispatch").joinpath("redis-acl.conf").read_text(encoding="utf-8")
    lines = [PREFIX.sub(prefix, line) for line in text.splitlines() if line.startswith("user ")]
    return "".join(f"{_with_password(line)}\n" for line in lines)


def _with_password(line: str) -> str:
    user = line.split()[1]
    digest = hashlib.sha256(password_of(user).encode()).hexdigest()
    return line.replace(" resetpass ", f" resetpass #{digest} ")


def _answers(place: Path, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, (place.parent / "redis.log").read_text(errors="replace")
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(place))
        return True
    return False
