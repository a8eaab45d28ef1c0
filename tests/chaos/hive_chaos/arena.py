"""Where a chaos run takes place: servers, members of Hive, and what this machine permits.

machine "near"  a network that only leads to the servers' proxies
machine "far"   a worker, whose cable to "near" can be cut
this machine    everything else
"""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from hive_chaos.load import MODULE, TASKS
from hive_chaos.members import Member, Victim, environment, supervised
from hive_chaos.servers import Servers, small_disk
from hive_testkit.cluster import SHORT_TIMES
from hive_testkit.machines import (
    Machine,
    connected_machines,
    reason_for_no_machines,
    within_network_of,
)
from hive_testkit.proxy import listener

__all__ = ["Arena"]

TIMES: Final = {
    **SHORT_TIMES,
    "HIVE_WORKER_SLOTS": "8",
    "HIVE_WORKER_GRACE_SECONDS": "2",
    "HIVE_WORKER_RETRY_BASE_SECONDS": "0.1",
    "HIVE_WORKER_RETRY_CAP_SECONDS": "1",
    "HIVE_COMMAND_GRACE_SECONDS": "0.5",
    "HIVE_CALLS_GRACE_SECONDS": "0.5",
    "HIVE_QUEEN_METRICS_PORT": "0",
    "HIVE_WORKER_METRICS_PORT": "0",
}
MARK: Final = "CHAOS_RUN"
LEASE_SECONDS: Final = float(SHORT_TIMES["HIVE_QUEEN_LEASE_SECONDS"])


class Arena:
    """One Hive to break."""

    def __init__(self, folder: Path, servers: Servers, extra: Mapping[str, str]) -> None:
        self.folder = folder
        self.servers = servers
        self.mark = secrets.token_hex(8)
        """In the environment of every process of this run."""

        self.missing: dict[str, str] = {}
        """What this machine does not permit, and why."""

        self.machines: tuple[Machine, Machine] | None = None
        self.up_folder = folder / "up"
        self._extra = extra
        self.members: dict[str, Member] = {
            "up": self._member("up", "up", HIVE_DATA_DIR=str(self.up_folder)),
            "queen": self._member("queen", "queen"),
            "worker": self._member("worker", "worker", "--async"),
        }

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, *, extra: Mapping[str, str]) -> "AsyncGenerator[Arena]":
        """Give an arena whose servers and members run; end all of them afterwards.

        Args:
            folder: an empty directory, for everything that the run writes.
            extra: further variables for the environment of Hive's processes.
        """
        disk = folder / "disk"
        disk.mkdir(mode=0o700)
        async with AsyncExitStack() as stack:
            no_disk = stack.enter_context(small_disk(disk))
            no_machines = reason_for_no_machines()
            machines = None
            beyond: list[tuple[str, partial[object]]] = []
            if no_machines is None:
                machines = stack.enter_context(connected_machines("near", "far"))
                near = machines[0]
                listen = partial(within_network_of, near.pid, partial(listener, near.address))
                beyond.append((near.address, listen))
            servers = await stack.enter_async_context(
                Servers.open(disk, is_on_small_disk=no_disk is None, beyond=beyond)
            )
            arena = cls(folder, servers, extra)
            arena._note("disk", no_disk)
            arena._note("network", no_machines)
            arena._note("clock", _reason_for_no_other_clock())
            if machines is not None:
                arena._settle_far(machines)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for member in arena.members.values():
                group.create_task(member.keep())
            stack.push_async_callback(arena.stop)
            yield arena

    def victims(self, role: str) -> list[Victim]:
        """Return the living processes of a role: queen, worker, supervisor or far."""
        members = self.members
        if role == "supervisor":
            found = [members["up"].victim]
        elif role == "far":
            found = [members["far"].victim] if "far" in members else []
        elif role == "queen":
            found = [supervised(self.up_folder, name="queen"), members["queen"].victim]
        else:
            found = [supervised(self.up_folder, name="worker-1"), members["worker"].victim]
            found += self.victims("far")
        return [victim for victim in found if victim is not None]

    async def stop(self) -> None:
        """End every member in good order."""
        async with asyncio.TaskGroup() as group:
            for member in self.members.values():
                group.create_task(member.stop())

    def logs(self) -> list[Path]:
        """Return what the members have written, and those that `hive up` keeps."""
        return [*sorted(self.folder.glob("*.log")), *sorted(self.up_folder.glob("logs/*.log"))]

    def _note(self, what: str, why: str | None) -> None:
        if why is not None:
            self.missing[what] = why

    def _settle_far(self, machines: tuple[Machine, Machine]) -> None:
        self.machines = machines
        near, far = machines
        member = self._member("far", "worker", "--async", address=near.address, network=1)
        member.prefix = far.command()
        member.has_own_pids = True
        self.members["far"] = member

    def _member(
        self, name: str, *argv: str, address: str = "127.0.0.1", network: int = 0, **more: str
    ) -> Member:
        own = {
            **TIMES,
            **self.servers.urls(address=address, network=network),
            "HIVE_CALLS_MODULES": MODULE,
            "HIVE_CALLS_PATH": str(TASKS),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder),
            MARK: self.mark,
            **self._extra,
            **more,
        }
        return Member(name=name, argv=argv, env=environment(own), log=self.folder / f"{name}.log")


def _reason_for_no_other_clock() -> str | None:
    """Return why no process can be given another clock here; None if one can."""
    done = subprocess.run(
        [
            "unshare",
            "--pid",
            "--fork",
            "--mount-proc",
            "unshare",
            "--time",
            "--boottime",
            "1",
            "true",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else f"no time namespaces: {done.stderr.strip()}"
