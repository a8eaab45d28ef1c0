"""Faults of machines: a cable pulled out, a full disk, another clock."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Final

from hive_chaos.arena import Arena
from hive_chaos.blow import A_WHILE, FOR_LONG, Blow, Fault
from hive_contracts.errors import UnavailableError

__all__ = ["FAULTS_OF_MACHINES"]

DAY_SECONDS: Final = 86_400
GIB: Final = 1 << 30


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


FAULTS_OF_MACHINES: Final = {
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
