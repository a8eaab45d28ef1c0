"""Measure what verse costs beside the model: `NAME VALUE REACH ok|short`, a row each.

.venv/bin/python tools/measure_verse.py [--pairs 30] [--sonnets 200]

handover   one generation by a thread, asked from the event loop, over the same generation by
the engine alone, less 1; the median of pairs that take turns
cascade    all three at once over one after the other, less 1; the same
lag        how late the event loop is at most while 5 sonnets are written, in milliseconds
memory     what the process has grown by after so many sonnets, in MB
"""

import argparse
import asyncio
import statistics
import time
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hive_inference.engine import Engine, load_engine
from hive_inference.host.host import Host
from hive_inference.messages import Ended, Generate, Sampling
from hive_inference.settings import EngineSettings, HostSettings
from hive_verse.agents import Agents, open_agents
from hive_verse.shipped import MODEL, model_folder

REACH: Final = {"handover": 0.05, "cascade": 0.0, "lag": 50.0, "memory": 1.0}
TICK_SECONDS: Final = 0.005
ASK: Final = Generate(model=MODEL, prompt="=love\n", max_tokens=200, sampling=Sampling(seed=7))


def main() -> None:
    """Measure all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--sonnets", type=int, default=200)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), given.pairs, given.sonnets))


async def _measure(folder: Path, pairs: int, sonnets: int) -> None:
    engine = EngineSettings(cache=folder / "weights", slots=8)
    alone = load_engine({MODEL: model_folder()}, engine)
    async with Host.open({MODEL: model_folder()}, HostSettings(engine=engine, children=0)) as host:
        _tell("handover", await _handover(alone, host, pairs))
        async with open_agents(folder / "clouds", host) as agents:
            _tell("cascade", await _cascade(agents, pairs // 3 or 1))
            _tell("lag", await _lag(agents))
            _tell("memory", await _memory(agents, sonnets))


async def _handover(alone: Engine, host: Host, pairs: int) -> float:
    ratios: list[float] = []
    for _ in range(pairs):
        started = time.perf_counter()
        _run(alone)
        between = time.perf_counter()
        async with aclosing(host.generate(ASK)) as news:
            async for _ in news:
                pass
        ratios.append((time.perf_counter() - between) / (between - started))
    return statistics.median(ratios) - 1.0


def _run(engine: Engine) -> None:
    engine.submit(1, ASK)
    while not any(isinstance(item, Ended) for item in engine.step()):
        pass


async def _cascade(agents: Agents, pairs: int) -> float:
    ratios: list[float] = []
    for seed in range(pairs):
        started = time.perf_counter()
        for speaker in (agents.haiku, agents.sonnet, agents.prose):
            await speaker.generate("the sea", 0.8, seed=seed)
        between = time.perf_counter()
        await agents.observer.cascade("the sea", seed=seed)
        ratios.append((time.perf_counter() - between) / (between - started))
    return statistics.median(ratios) - 1.0


async def _lag(agents: Agents) -> float:
    late: list[float] = []

    async def tick() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            late.append(time.perf_counter() - asked - TICK_SECONDS)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        async with asyncio.TaskGroup() as writing:
            for seed in range(5):
                writing.create_task(agents.sonnet.generate("love", seed=seed))
        ticking.cancel()
    return 1000 * max(late)


async def _memory(agents: Agents, sonnets: int) -> float:
    await _write(agents, 20)
    before = _resident_mb()
    await _write(agents, sonnets)
    return _resident_mb() - before


async def _write(agents: Agents, sonnets: int) -> None:
    for seed in range(sonnets):
        await agents.sonnet.generate("love and time", seed=seed)


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("a process has a size")


def _tell(name: str, value: float) -> None:
    print(f"{name} {value:.3f} {REACH[name]:g} {'ok' if value <= REACH[name] else 'short'}")


if __name__ == "__main__":
    main()
