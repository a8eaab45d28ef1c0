"""A PgBouncer in front of a Postgres, on a Unix socket, for as long as a context lasts."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from hive_services.identities import choose_identity

__all__ = ["running_bouncer"]

PORT: Final = 6432
START_SECONDS: Final = 10.0

SETTINGS: Final = """\
[databases]
* = host={host} port={port} user=hive

[pgbouncer]
unix_socket_dir = {folder}
listen_port = {own_port}
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {pool_size}
logfile = {folder}/pgbouncer.log
server_round_robin = {in_turn}
"""


@contextmanager
def running_bouncer(
    database_url: str,
    folder: Path,
    *,
    pool_mode: str,
    pool_size: int = 20,
    lends_in_turn: bool = False,
) -> Generator[str]:
    """Run a PgBouncer whose files are in `folder`; give the URL of the database through it.

    Skips the test where the program is not installed, or where the Postgres has no Unix socket.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian's package of that name)")
    url = urlsplit(database_url)
    query = parse_qs(url.query)
    if "host" not in query:
        pytest.skip("the Postgres of the tests is not the session's own")
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(
            host=query["host"][0],
            port=query.get("port", ["5432"])[0],
            folder=folder,
            own_port=PORT,
            pool_mode=pool_mode,
            pool_size=pool_size,
            in_turn=int(lends_in_turn),
        )
    )
    # It refuses to be root, as Postgres does.
    process = subprocess.Popen([*choose_identity().prefix, program, "-q", str(settings)])
    try:
        _wait_until_it_listens(folder / f".s.PGSQL.{PORT}", process)
        yield urlunsplit(url._replace(query=f"host={folder}&port={PORT}"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def _wait_until_it_listens(path: Path, process: "subprocess.Popen[bytes]") -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return
        time.sleep(0.01)
    pytest.fail(f"pgbouncer did not come up: {(path.parent / 'pgbouncer.log').read_text()}")
