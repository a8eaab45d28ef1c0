"""What the embedded servers are told: many small commits, on a machine with other work too."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hive_services.doors import Door

__all__ = [
    "DATABASE",
    "REDIS_SOCKET",
    "ROLE",
    "SETTINGS_FILE",
    "SOCKET_PORT",
    "access_rules",
    "client_names",
    "postgres_settings",
    "redis_settings",
]

ROLE: Final = "hive"
DATABASE: Final = "hive"
SOCKET_PORT: Final = 5432
"""Names the socket of a Postgres that listens nowhere else; no port is opened."""

SETTINGS_FILE: Final = "hive.conf"
REDIS_SOCKET: Final = "redis.sock"

POSTGRES: Final = """\
# Written at every start. To change a setting for good, use ALTER SYSTEM: it wins over this file.
include 'postgresql.conf'

listen_addresses = '{address}'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
cluster_name = 'hive'
max_connections = 200

# The working set of a queue is its open tasks and the ends of its indexes.
shared_buffers = '128MB'
# Plans of statements that take a millisecond are not worth compiling.
jit = off

# Commits are what a queue does. A checkpoint makes the next write of each page a whole page in the
# log, so they are kept rare and spread out; recovery stays at a few seconds.
synchronous_commit = on
fsync = {durable}
full_page_writes = {durable}
wal_buffers = '16MB'
max_wal_size = '2GB'
min_wal_size = '160MB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9

# Task rows change three times each; dead ones slow the claim down if they stay for a minute.
autovacuum_naptime = '10s'
autovacuum_vacuum_cost_limit = 2000

# An open transaction holds back vacuum and the event log: nobody keeps one for a minute.
idle_in_transaction_session_timeout = '60s'

# A machine that vanished gives its connections back after a minute.
tcp_keepalives_idle = 30
tcp_keepalives_interval = 10
tcp_keepalives_count = 3

log_timezone = 'UTC'
timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_checkpoints = off
logging_collector = off
"""

REDIS: Final = """\
# Written at every start.
{door}
unixsocket {sockets}/{socket}
unixsocketperm 700
dir "{data}"
daemonize no
databases 16

# It holds hints, which may be lost at any time; what must stay is in Postgres.
save ""
appendonly no

# When full it refuses, instead of dropping jobs silently or taking the memory of the machine.
maxmemory 1gb
maxmemory-policy noeviction

# A subscriber that does not keep up is cut off; it catches up from the event log.
client-output-buffer-limit pubsub 32mb 8mb 60
"""


def postgres_settings(*, sockets: Path, durable: bool, door: Door | None) -> str:
    """Return the server's settings.

    A commit outlives the server's own death also when `durable` is false; it is only the machine's
    death that it then may not outlive.
    """
    return POSTGRES.format(
        address=door.address if door else "",
        port=door.port if door else SOCKET_PORT,
        sockets=sockets,
        durable="on" if durable else "off",
    )


def access_rules(door: Door | None) -> str:
    """Return who may log in.

    The clients of `client_names` over the socket, whoever knows the password through the door, and
    nobody else.
    """
    rules = f"local all {ROLE} peer map={ROLE}\n"
    return rules if door is None else f"{rules}host {DATABASE} {ROLE} all scram-sha-256\n"


def client_names(names: Iterable[str]) -> str:
    """Return the map from the accounts that the kernel tells to the role that they may take."""
    return "".join(f'{ROLE} "{name}" {ROLE}\n' for name in dict.fromkeys(names))


def redis_settings(*, sockets: Path, data: Path, door: Door | None) -> str:
    """Return the server's settings. With a door, clients of the socket need the password too."""
    quoted = str(data).replace("\\", "\\\\").replace('"', '\\"')
    listening = (
        f"port {door.port}\nbind {door.address}\nrequirepass {door.password}" if door else "port 0"
    )
    return REDIS.format(door=listening, sockets=sockets, socket=REDIS_SOCKET, data=quoted)
