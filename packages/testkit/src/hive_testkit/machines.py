"""Two machines in one: each with a network and a host name, and a cable between that can be cut.

Both are namespaces of the kernel, held by a process that dies with the test, so nothing of them can
stay behind. They share the file system, but no network: what one says to the other goes over the
cable. Only root can make them.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

__all__ = ["Machine", "connected_machines", "reason_for_no_machines", "within_network_of"]

ResultT = TypeVar("ResultT")

CLONE_NEWNET: Final = 0x40000000
"""Of `<linux/sched.h>`; `os.setns` came with Python 3.12."""

TOOLS: Final = ("ip", "unshare", "nsenter", "setpriv")
CABLE: Final = "cable"
PREFIX: Final = "10.77.0"
"""Addresses are seen in these two networks alone, so they may be in use outside."""

HOLD: Final = 'echo "$0" > /proc/sys/kernel/hostname && ip link set lo up && echo && exec cat'
"""Says a line when the machine is there, and ends when nobody has the other end of its input."""

APART: Final = ("unshare", "--net", "--uts", "--")
BOUND: Final = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One of the two."""

    name: str
    """Its host name."""

    address: str
    pid: int
    """The process that holds its namespaces."""

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs `words` on it, under the process id of the caller."""
        return ["nsenter", "-t", str(self.pid), "--net", "--uts", "--", *words]

    def cut(self) -> None:
        """Pull the cable out: nothing arrives any more, and nobody is told."""
        self._ip("link", "set", CABLE, "down")

    def mend(self) -> None:
        """Plug the cable in again."""
        self._ip("link", "set", CABLE, "up")

    def _ip(self, *words: str) -> None:
        subprocess.run(self.command("ip", *words), check=True)


def reason_for_no_machines() -> str | None:
    """Return why machines cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(missing)} (Debian: iproute2, util-linux)"
    done = subprocess.run([*APART, "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() or "unshare fails" if done.returncode != 0 else None


@contextmanager
def connected_machines(near: str, far: str) -> Generator[tuple[Machine, Machine]]:
    """Yield two machines of these names with a cable between them; afterwards they are gone."""
    with ExitStack() as stack:
        machines = [
            Machine(name=name, address=f"{PREFIX}.{number}", pid=stack.enter_context(_holder(name)))
            for number, name in enumerate((near, far), start=1)
        ]
        one, other = machines
        ends = ("type", "veth", "peer", "name", CABLE, "netns", str(other.pid))
        subprocess.run(one.command("ip", "link", "add", CABLE, *ends), check=True)
        for machine in machines:
            address = f"{machine.address}/24"
            subprocess.run(
                machine.command("ip", "address", "add", address, "dev", CABLE), check=True
            )
            machine.mend()
        yield one, other


@contextmanager
def _holder(name: str) -> Generator[int]:
    process = subprocess.Popen(
        [*APART, *BOUND, "sh", "-c", HOLD, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n", "the machine did not come up"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def within_network_of(pid: int, act: Callable[[], ResultT]) -> ResultT:
    """Return what `act` returns on the network of process `pid`; a socket made there stays there.

    Raises:
        OSError: there is no such process, or its network may not be entered.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_enter_and, pid, act).result()


def _enter_and(pid: int, act: Callable[[], ResultT]) -> ResultT:
    # A namespace is entered by a thread alone, and this one ends afterwards.
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:  # noqa: PTH123 - it is no file
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"the network of process {pid} may not be entered")
    return act()
