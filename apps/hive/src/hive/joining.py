"""See that this machine can work for the Hive of a join file, before a worker is started for it.

A worker that finds no server waits for it, as it should after a restart; a person who has just
copied a file should hear at once what is wrong, and on which of the two machines to mend it.
"""

import asyncio
import os
import socket
import stat
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hive.private_files import is_seen_by_others
from hive.settings import Settings
from hive.sources import environment_name
from hive.urls import resolve_urls
from hive.wiring import VERSION
from hive_bus.bus import Bus
from hive_contracts.errors import (
    BusUnavailableError,
    ConfigurationError,
    ServiceUnavailableError,
)
from hive_store import FleetStore, open_line

__all__ = ["check_file", "check_servers", "meet"]

KNOCK_SECONDS: Final = 5.0
"""How long a server may take to be reached. A firewall that drops what it forbids says nothing."""

LATELY: Final = timedelta(minutes=1)


def check_file(path: Path) -> None:
    """See that the join file is there, and that it is nobody else's business.

    Raises:
        ConfigurationError: it is not; the message says how to mend it.
    """
    try:
        is_seen, mode = is_seen_by_others(path), stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise ConfigurationError(
            f"the join file {path} cannot be read: {error.strerror}; `hive up --listen ADDRESS`"
            " writes one on the other machine"
        ) from error
    if is_seen:
        raise ConfigurationError(
            f"others may read {path} (mode {mode:04o}), and it holds passwords: chmod 600 {path}"
        )


def check_servers(settings: Settings, path: Path) -> None:
    """See that the servers are those of the join file, and not others that a variable names.

    Raises:
        ConfigurationError: they are not.
    """
    for key in ("database.url", "redis.url"):
        given = settings.given.get(key)
        if given is None:
            raise ConfigurationError(
                f"{path} names no {key}, so it is no join file; `hive up --listen ADDRESS` writes"
                " one on the other machine"
            )
        if given.origin != str(path):
            raise ConfigurationError(
                f"{given.origin} names another {key} than {path} does; leave it out"
                f" (unset {environment_name(key)})"
            )


async def meet(settings: Settings, path: Path) -> list[str]:
    """Knock at both servers and log in; return what a person should know, as sentences.

    Raises:
        ServiceUnavailableError: one cannot be reached; the message says what may be the matter.
        ConfigurationError: Postgres does not let us in.
        SchemaMismatchError: that Hive is too new or too old for this one.
        UnavailableError: one does not answer as it should.
    """
    urls = resolve_urls(settings)
    for name, url in (("Postgres", urls.database), ("Redis", urls.redis)):
        await _knock(name, url, path)
    way_out = f"if the password is wrong, copy {path.name} from the other machine again"
    try:
        async with open_line(urls.database) as line:
            workers = await FleetStore(line).workers(seen_within=LATELY)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; {way_out}") from error
    try:
        async with Bus.open(urls.redis, prefix=settings.redis.prefix) as bus:
            await bus.ping()
    except BusUnavailableError as error:
        raise BusUnavailableError(f"{error}; {way_out}") from error
    strange = sorted({worker.version for worker in workers} - {VERSION})
    return [
        *(f"workers of that Hive run version {theirs}, this one {VERSION}" for theirs in strange),
        f"{socket.gethostname()} works for the Hive at {urlsplit(urls.database).hostname}, queues"
        f" {', '.join(settings.worker.queues)}; Ctrl-C ends it in good order",
    ]


async def _knock(name: str, url: str, path: Path) -> None:
    host, port = _place(url)
    if host is None or port is None:
        # A socket of this machine, or a server of somebody's own at its usual port.
        return
    place = f"{name} at {host}, port {port},"
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError as error:
        raise ServiceUnavailableError(
            f"{place} is not there: on that machine `hive up --listen` does not run, or listens at"
            f" another address now; start it, and copy {path.name} from there again"
        ) from error
    except OSError as error:
        raise ServiceUnavailableError(
            f"{place} cannot be reached ({_reason(error)}): see that this machine reaches that"
            f" address, and that no firewall there holds port {port} back"
        ) from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _reason(error: OSError) -> str:
    # asyncio puts its own words, with the address in them, in the place of the kernel's.
    number = error.errno or 0
    text = os.strerror(number) if number > 0 else error.strerror
    return text or f"nothing came back within {KNOCK_SECONDS:g} s"


def _place(url: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Whoever opens it says what is wrong with it.
        return None, None
    return parts.hostname, port
