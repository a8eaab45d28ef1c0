"""Faults of Postgres and Redis, and of the way there."""

import signal
from typing import Final

from hive_chaos.blow import A_WHILE, BRIEFLY, Blow, Fault, Striker

__all__ = ["FAULTS_OF_SERVERS"]

LATENCY_SECONDS: Final = (0.02, 0.3)


async def _kill_redis(blow: Blow) -> bool:
    servers = blow.arena.servers
    async with servers.turn["redis"]:
        servers.signal("redis", signal.SIGKILL)
        await servers.redis.wait()
        await blow.last()
        await servers.start_again("redis")
    return True


async def _flush_redis(blow: Blow) -> bool:
    async with blow.arena.servers.turn["redis"]:
        await blow.arena.servers.tell_redis("FLUSHALL")
    return True


async def _pause_redis(blow: Blow) -> bool:
    async with blow.arena.servers.turn["redis"]:
        await blow.arena.servers.tell_redis("CLIENT", "PAUSE", str(int(blow.seconds * 1000)))
        await blow.last()
    return True


def _freeze(server: str) -> Striker:
    async def strike(blow: Blow) -> bool:
        servers = blow.arena.servers
        async with servers.turn[server]:
            # The server first, so that it starts no further process while the others are told.
            servers.signal(server, signal.SIGSTOP, tree=False)
            servers.signal(server, signal.SIGSTOP)
            try:
                await blow.last()
            finally:
                servers.signal(server, signal.SIGCONT)
        return True

    return strike


async def _restart_postgres(blow: Blow) -> bool:
    servers = blow.arena.servers
    async with servers.turn["postgres"]:
        await servers.stop("postgres")
        await blow.last()
        await servers.start_again("postgres")
    return True


async def _crash_postgres(blow: Blow) -> bool:
    servers = blow.arena.servers
    async with servers.turn["postgres"]:
        # What `pg_ctl stop -m immediate` sends: no checkpoint, so that the next start recovers.
        servers.signal("postgres", signal.SIGQUIT, tree=False)
        await servers.postgres.wait()
        await blow.last()
        await servers.start_again("postgres")
    return True


async def _move_postgres(blow: Blow) -> bool:
    async with blow.arena.servers.turn["postgres"]:
        await blow.arena.servers.move_postgres()
    return True


async def _fail_over(blow: Blow) -> bool:
    async with blow.arena.servers.turn["postgres"]:
        await blow.arena.servers.fail_over(after_seconds=blow.seconds)
    return True


async def _terminate_connections(blow: Blow) -> bool:
    servers = blow.arena.servers
    async with servers.turn["postgres"], servers.connected() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
    return True


def _slow(server: str) -> Striker:
    async def strike(blow: Blow) -> bool:
        least, most = LATENCY_SECONDS
        proxy = blow.arena.servers.proxies[server]
        proxy.latency_seconds = least + (most - least) * blow.choice
        try:
            await blow.last()
        finally:
            proxy.latency_seconds = 0.0
        return True

    return strike


def _drop(server: str) -> Striker:
    async def strike(blow: Blow) -> bool:
        blow.arena.servers.proxies[server].drop()
        return True

    return strike


def _hold(server: str) -> Striker:
    async def strike(blow: Blow) -> bool:
        proxy = blow.arena.servers.proxies[server]
        proxy.hold()
        try:
            await blow.last()
        finally:
            proxy.release()
        return True

    return strike


FAULTS_OF_SERVERS: Final = {
    "kill-redis": Fault(
        says="SIGKILL Redis, empty afterwards", strike=_kill_redis, seconds=A_WHILE
    ),
    "flush-redis": Fault(says="FLUSHALL", strike=_flush_redis),
    "pause-redis": Fault(says="CLIENT PAUSE", strike=_pause_redis, seconds=A_WHILE),
    "freeze-redis": Fault(says="SIGSTOP Redis", strike=_freeze("redis"), seconds=A_WHILE),
    "slow-redis": Fault(says="20 to 300 ms more to Redis", strike=_slow("redis"), seconds=A_WHILE),
    "drop-redis": Fault(says="break all connections to Redis", strike=_drop("redis")),
    "hold-redis": Fault(
        says="silence between Redis and all", strike=_hold("redis"), seconds=A_WHILE
    ),
    "restart-postgres": Fault(
        says="stop Postgres (fast) and start it", strike=_restart_postgres, seconds=BRIEFLY
    ),
    "crash-postgres": Fault(
        says="stop Postgres (immediate) and start it", strike=_crash_postgres, seconds=BRIEFLY
    ),
    "move-postgres": Fault(says="move Postgres to another port", strike=_move_postgres),
    "fail-over": Fault(
        says="lose Postgres with its disk; a synchronous standby takes over at another port",
        strike=_fail_over,
        seconds=BRIEFLY,
    ),
    "freeze-postgres": Fault(says="SIGSTOP Postgres", strike=_freeze("postgres"), seconds=A_WHILE),
    "terminate-connections": Fault(
        says="terminate all connections to Postgres", strike=_terminate_connections
    ),
    "slow-postgres": Fault(
        says="20 to 300 ms more to Postgres", strike=_slow("postgres"), seconds=A_WHILE
    ),
    "drop-postgres": Fault(says="break all connections to Postgres", strike=_drop("postgres")),
    "hold-postgres": Fault(
        says="silence between Postgres and all", strike=_hold("postgres"), seconds=A_WHILE
    ),
}
