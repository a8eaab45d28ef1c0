"""What the processes of Hive say of themselves, over their metrics."""

import asyncio
import os
import re
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Never

import psutil

from hive_chaos.arena import Arena
from hive_chaos.members import Victim
from hive_testkit.machines import within_network_of

__all__ = ["Scraper"]

EVERY_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 2.0
LISTENS: Final = "0A"
SAMPLE: Final = re.compile(r"^(hive_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass
class Scraper:
    """Remembers the last that each process said."""

    arena: Arena
    last: dict[tuple[int, float], Mapping[str, float]] = field(
        default_factory=dict[tuple[int, float], Mapping[str, float]]
    )
    """By process id and start: the value of each sample."""

    async def run(self) -> Never:
        """Look once a second."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> list[Mapping[str, float]]:
        """Look at every living process; return what those say that answer."""
        victims = [each for role in ("queen", "worker") for each in self.arena.victims(role)]
        found: list[Mapping[str, float]] = []
        for victim in victims:
            with suppress(OSError, psutil.Error):
                samples = await asyncio.to_thread(_samples, victim)
                if samples:
                    process = victim.process
                    self.last[process.pid, process.create_time()] = samples
                    found.append(samples)
        return found

    def total(self, name: str) -> int:
        """Return what a counter came to, over all processes that ever lived."""
        return int(sum(samples.get(name, 0) for samples in self.last.values()))


def _samples(victim: Victim) -> dict[str, float]:
    """Return the samples of one process: none if it listens nowhere yet."""
    pid = victim.process.pid
    port = _port_of(Path(f"/proc/{pid}"))
    if port is None:
        return {}
    text = within_network_of(pid, partial(_fetch, port))
    return {
        f"{name}{{{labels}}}" if labels else name: float(value)
        for name, labels, value in SAMPLE.findall(text)
    }


def _port_of(process: Path) -> int | None:
    """Return the port at which a process listens on its own network; psutil looks at ours."""
    sockets = {os.readlink(each) for each in (process / "fd").iterdir()}  # noqa: PTH115 - no path
    for line in (process / "net" / "tcp").read_text().splitlines()[1:]:
        _number, local, _remote, state, *_, inode = line.split()[:10]
        if state == LISTENS and f"socket:[{inode}]" in sockets:
            return int(local.partition(":")[2], 16)
    return None


def _fetch(port: int) -> str:
    address = f"http://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:
        return answer.read().decode()
