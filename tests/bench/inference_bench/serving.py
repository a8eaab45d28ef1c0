"""Measures of a host as it serves: tokens a second, the loop's lag, the first token, memory."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

import psutil

from hive_inference.host.host import Host
from hive_inference.messages import Embed, Ended, Generate, Sampling
from hive_inference.settings import EngineSettings, HostSettings
from hive_testkit.waiting import until

__all__ = ["Served", "serving"]

READY_SECONDS: Final = 120
TICK_SECONDS: Final = 0.005
MIB: Final = 1024 * 1024


@asynccontextmanager
async def serving(folder: Path, *, children: int, slots: int = 16) -> AsyncGenerator["Served"]:
    """Serve the model in `folder`, as a worker would."""
    engine = EngineSettings(cache=folder.parent / "cache", slots=slots, max_context=1024)
    settings = HostSettings(engine=engine, children=children)
    async with Host.open({"model": folder}, settings) as host:
        await until(lambda: host.state.seats == children, within_seconds=READY_SECONDS)
        yield Served(host)


class Served:
    """A host with one model."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def generate(self, concurrent: int, tokens: int, *, seed: int = 0) -> float:
        """Make `concurrent` texts at once; return tokens a second."""
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            texts = [
                group.create_task(self._text(tokens, seed + number)) for number in range(concurrent)
            ]
        made = sum(text.result() for text in texts)
        return made / (time.perf_counter() - started)

    async def embed(self, texts: int, length: int) -> float:
        """Embed texts of so many tokens in one request; return texts a second."""
        started = time.perf_counter()
        await self._host.embed(Embed(model="model", texts=("!" * length,) * texts))
        return texts / (time.perf_counter() - started)

    async def lags(self, concurrent: int, tokens: int) -> list[float]:
        """Return by how many ms each tick of 5 ms came late while so many texts were made."""
        lags: list[float] = []
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(_tick(lags))
            await self.generate(concurrent, tokens)
            ticking.cancel()
        return lags

    async def idle_lags(self, ticks: int) -> list[float]:
        """Return the same of a loop that has nothing to do, beside children without work."""
        lags: list[float] = []
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(_tick(lags))
            await asyncio.sleep(ticks * TICK_SECONDS)
            ticking.cancel()
        return lags

    async def first_tokens(self, others: int, tokens: int, times: int) -> list[float]:
        """Return after how many ms a new request's first token came, `others` being at work."""
        found: list[float] = []
        async with asyncio.TaskGroup() as group:
            loads = [group.create_task(self._endless(tokens, seed)) for seed in range(others)]
            await asyncio.sleep(0.2)
            for seed in range(times):
                started = time.perf_counter()
                async with aclosing(self._host.generate(_ask(2, 1000 + seed))) as news:
                    async for _ in news:
                        found.append(1000 * (time.perf_counter() - started))
                        break
                await asyncio.sleep(0.01)
            for load in loads:
                load.cancel()
        return found

    def memory_mib(self) -> float:
        """Return what this process and its children have in memory, shared pages once."""
        here = psutil.Process(os.getpid())
        return sum(p.memory_full_info().pss for p in (here, *here.children(recursive=True))) / MIB

    async def _text(self, tokens: int, seed: int) -> int:
        async with aclosing(self._host.generate(_ask(tokens, seed))) as news:
            async for item in news:
                if isinstance(item, Ended):
                    return item.tokens_out
        raise AssertionError("a text's last news is its end")

    async def _endless(self, tokens: int, seed: int) -> None:
        while True:
            await self._text(tokens, seed)


def _ask(tokens: int, seed: int) -> Generate:
    return Generate(
        model="model", prompt="Shall I", max_tokens=tokens, sampling=Sampling(seed=seed)
    )


async def _tick(lags: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        lags.append(1000 * (loop.time() - due))
