"""Every way in which a run is broken: by name, what it does, and for how long."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from hive_chaos.arena import LEASE_SECONDS, Arena
from hive_chaos.members import Victim
from hive_contracts.errors import UnavailableError

__all__ = ["FAULTS", "Blow", "Fault"]

BLOW: Final = (0.0, 0.0)
BRIEFLY: Final = (0.3, LEASE_SECONDS / 2)
FOR_LONG: Final = (LEASE_SECONDS + 1.0, LEASE_SECONDS * 2.5)
A_WHILE: Final = (1.0, LEASE_SECONDS * 2)
LATENCY_SECONDS: Final = (0.02, 0.3)
DAY_SECONDS: Final = 86_400
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One fault as it strikes."""

    arena: Arena
    seconds: float
    choice: float

    def victim(self, role: str) -> Victim | None:
        """Return which living process of a role it meets; None if there is none just now."""
        found = self.arena.victims(role)
        return found[int(self.choice * len(found))] if found else None

    async def last(self) -> None:
        """Let the fault last."""
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break something."""

    says: str
    strike: Callable[[Blow], Awaitable[bool]]
    """Does it, and undoes it; returns whether it met anything."""

    seconds: tuple[float, float] = BLOW
    """How long it lasts, at least and at most; how long it takes to recover is not in it."""

    needs: str | None = None
    """What the machine must permit: `disk`, `network` or `clock`."""


def _signal(role: str, number: signal.Signals) -> Callable[[Blow], Awaitable[bool]]:
    async def strike(blow: Blow) -> bool:
        victim = blow.victim(role)
        if victim is None:
            return False
        victim.send(number)
        if number is signal.SIGSTOP:
            try:
                await blow.last()
            finally:
                victim.send(signal.SIGCONT)
        return True

    return strike


async def _kill_guardian(blow: Blow) -> bool:
    victim = blow.victim("worker")
    if victim is None:
        return False
    with suppress(psutil.NoSuchProcess):
        for child in victim.process.children():
            if "hive_process.guardian" in " ".join(child.cmdline()):
                child.kill()
                return True
    return False


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


def _freeze(server: str) -> Callable[[Blow], Awaitable[bool]]:
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


async def _terminate_connections(blow: Blow) -> bool:
    servers = blow.arena.servers
    async with servers.turn["postgres"], servers.connected() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
    return True


def _slow(server: str) -> Callable[[Blow], Awaitable[bool]]:
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


def _drop(server: str) -> Callable[[Blow], Awaitable[bool]]:
    async def strike(blow: Blow) -> bool:
        blow.arena.servers.proxies[server].drop()
        return True

    return strike


def _hold(server: str) -> Callable[[Blow], Awaitable[bool]]:
    async def strike(blow: Blow) -> bool:
        proxy = blow.arena.servers.proxies[server]
        proxy.hold()
        try:
            await blow.last()
        finally:
            proxy.release()
        return True

    return strike


async def _cut_network(blow: Blow) -> bool:
    assert blow.arena.machines is not None
    near, _far = blow.arena.machines
    near.cut()
    try:
        await blow.last()
    finally:
        near.mend()
    return True


async def _fill_disk(blow: Blow) -> bool:
    servers = blow.arena.servers
    async with servers.turn["postgres"]:
        filler = servers.folder / "filler"
        await asyncio.to_thread(_fill, str(filler))
        try:
            await _write_much(blow)
            await blow.last()
        finally:
            filler.unlink()
        await _until_it_serves(blow.arena)
    return True


def _fill(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        step = GIB
        size = 0
        while step >= 4096:
            try:
                os.posix_fallocate(descriptor, size, step)
                size += step
            except OSError:
                step //= 2
    finally:
        os.close(descriptor)


async def _write_much(blow: Blow) -> None:
    """Have Postgres meet the full disk: it has some log of changes in stock."""
    with suppress(UnavailableError, TimeoutError):
        async with asyncio.timeout(blow.seconds), blow.arena.servers.connected() as connection:
            while True:
                await connection.execute(
                    "select pg_logical_emit_message(true, 'x', repeat('x', 1000000))"
                )


async def _until_it_serves(arena: Arena) -> None:
    """Start Postgres again if the full disk has ended it."""
    if arena.servers.postgres.pid is None:
        await arena.servers.start_again("postgres")


async def _jump_clock(blow: Blow) -> bool:
    """Have the worker be killed, and start with clocks that are days ahead: as after a reboot."""
    member = blow.arena.members["worker"]
    victim = member.victim
    if victim is None:
        return False
    member.clock_seconds = 0 if member.clock_seconds else int(DAY_SECONDS * (1 + 99 * blow.choice))
    victim.send(signal.SIGKILL)
    return True


def _of_processes(role: str, whose: str) -> dict[str, Fault]:
    return {
        f"kill-{role}": Fault(says=f"SIGKILL {whose}", strike=_signal(role, signal.SIGKILL)),
        f"terminate-{role}": Fault(says=f"SIGTERM {whose}", strike=_signal(role, signal.SIGTERM)),
        f"freeze-{role}-briefly": Fault(
            says=f"SIGSTOP {whose}, SIGCONT within a lease",
            strike=_signal(role, signal.SIGSTOP),
            seconds=BRIEFLY,
        ),
        f"freeze-{role}-for-long": Fault(
            says=f"SIGSTOP {whose}, SIGCONT when its leases have lapsed",
            strike=_signal(role, signal.SIGSTOP),
            seconds=FOR_LONG,
        ),
    }


FAULTS: Final = {
    **_of_processes("worker", "a worker"),
    **_of_processes("queen", "a queen"),
    **_of_processes("supervisor", "`hive up`"),
    "kill-guardian": Fault(says="SIGKILL the guardian of a worker", strike=_kill_guardian),
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
    "cut-network": Fault(
        says="pull the cable of a worker's machine",
        strike=_cut_network,
        seconds=(0.5, FOR_LONG[1]),
        needs="network",
    ),
    "fill-disk": Fault(
        says="fill the disk of Postgres", strike=_fill_disk, seconds=A_WHILE, needs="disk"
    ),
    "jump-clock": Fault(
        says="kill a worker; its clocks since boot are days off after its next start",
        strike=_jump_clock,
        needs="clock",
    ),
}
