"""Faults of Hive's own processes."""

import signal
from contextlib import suppress
from typing import Final

import psutil

from hive_chaos.blow import BRIEFLY, FOR_LONG, Blow, Fault, Striker

__all__ = ["FAULTS_OF_PROCESSES"]


def _signal(role: str, number: signal.Signals) -> Striker:
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


FAULTS_OF_PROCESSES: Final = {
    **_of_processes("worker", "a worker"),
    **_of_processes("queen", "a queen"),
    **_of_processes("supervisor", "`hive up`"),
    "kill-guardian": Fault(says="SIGKILL the guardian of a worker", strike=_kill_guardian),
}
