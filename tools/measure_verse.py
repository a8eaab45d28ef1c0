"""Measure what verse costs beside the model, and what it says: a row each.

.venv/bin/python tools/measure_verse.py [ROW ...] [--pairs 200] [--sonnets 200]

Prints `NAME VALUE REACH ok|short`, and behind it what else was seen.

handover   one generation by a thread, asked from the event loop, over the same generation by
           the engine alone, less 1; the median of pairs of engines, four generations each by turns
cascade    all three at once over one after the other, less 1; the median of pairs
lag        how late the event loop is at most while 5 sonnets are written, in milliseconds
memory     what the process has grown by after so many sonnets, in MB
metre      the share of these sonnets with less than 9 or more than 13 syllables a line on average
alike      the share of these sonnets' lines that stand in another of them, or twice in one
echo       the share of a cascade's different words (of three letters or more) that those who
           speak to it said in their last four prompts: the mean of turns, of five conversations
"""

import argparse
import asyncio
import math
import statistics
import time
from contextlib import aclosing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from hive_inference.arrays import F64
from hive_inference.engine import Engine, load_engine
from hive_inference.host.host import Host
from hive_inference.messages import Ended, Generate, Sampling
from hive_inference.settings import EngineSettings, HostSettings
from hive_verse.agents import Agents, open_agents
from hive_verse.cascade import Cascade
from hive_verse.errors import UnfinishedVerseError
from hive_verse.formatting import SonnetFormatter
from hive_verse.shipped import MODEL, model_folder
from hive_verse.wording import words

REACH: Final = {
    "handover": 0.05, "cascade": 0.0, "lag": 50.0, "memory": 1.0, "metre": 0.2, "alike": 0.01,
    "echo": 0.2,
}  # fmt: skip
TICK_SECONDS: Final = 0.005
TOPICS: Final = {
    "love": "Is love blind?,Whom does love serve?,Can love outlive beauty?,What does love fear?",
    "time": "Can time be stopped?,What does time spare?,Is youth worth its end?,Who mourns time?",
    "truth": "Can a lie be kind?,Who owns the truth?,Does a dream lie?,What is a true word worth?",
    "death": "Is death asleep?,What does death take?,Can verse outlive death?,Who is not afraid?",
    "the sea": "What does the sea hide?,Is the sea free?,Who calls the wind?,Where do ships go?",
}
SEEDS: Final = range(5)
HEARD: Final = 4
"""The prompt, and three before it."""

ASK: Final = Generate(model=MODEL, prompt="=love\n", max_tokens=200, sampling=Sampling(seed=7))


def main() -> None:
    """Measure all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", default=list(REACH), help="all if none")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--sonnets", type=int, default=200)
    given = parser.parse_args()
    if unknown := set(given.rows) - REACH.keys():
        parser.error(f"no row is called {', '.join(unknown)}; they are: {', '.join(REACH)}")
    with TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), set(given.rows), given.pairs, given.sonnets))


async def _measure(folder: Path, rows: set[str], pairs: int, sonnets: int) -> None:
    engine = EngineSettings(cache=folder / "weights", slots=8)
    async with (
        Host.open({MODEL: model_folder()}, HostSettings(engine=engine, children=0)) as host,
        open_agents(folder / "clouds", host) as agents,
    ):
        if "cascade" in rows:
            _tell("cascade", *await _cascade(agents, pairs // 10 or 1))
        if "lag" in rows:
            _tell("lag", *await _lag(agents))
        if rows & {"memory", "metre", "alike"}:
            growth, texts = await _memory(agents, sonnets)
            for name, found in (
                ("memory", (growth, f"{sonnets} sonnets")),
                ("metre", _metre(texts)),
                ("alike", _alike(texts)),
            ):
                if name in rows:
                    _tell(name, *found)
        if "echo" in rows:
            _tell("echo", *await _echo(agents))
    if "handover" in rows:
        # Last: what it loads would be part of what the process has grown by.
        _tell("handover", *await _handover(engine, pairs))


async def _handover(settings: EngineSettings, pairs: int) -> tuple[float, str]:
    ratios: list[F64] = []
    for _ in range(pairs):
        # New ones each time: where its buffers happen to lie makes an engine 5 % faster or slower.
        alone = load_engine({MODEL: model_folder()}, settings)
        async with Host.open(
            {MODEL: model_folder()}, HostSettings(engine=settings, children=0)
        ) as host:
            await _ask(host)
            _run(alone)
            taken = {True: np.zeros(2), False: np.zeros(2)}
            for is_host in (False, True, True, False, True, False, False, True):
                started = _both_clocks()
                if is_host:
                    await _ask(host)
                else:
                    _run(alone)
                taken[is_host] += _both_clocks() - started
        ratios.append(taken[True] / taken[False])
    wall, processor = np.array(ratios).T
    ratio, more = _median(wall.tolist())
    return ratio, f"{more}; of processor time {np.median(processor) - 1.0:.3f}"


async def _ask(host: Host) -> None:
    async with aclosing(host.generate(ASK)) as news:
        async for _ in news:
            pass


def _both_clocks() -> F64:
    return np.array([time.perf_counter(), time.process_time()])


def _run(engine: Engine) -> None:
    engine.submit(1, ASK)
    while not any(isinstance(item, Ended) for item in engine.step()):
        pass


async def _cascade(agents: Agents, pairs: int) -> tuple[float, str]:
    ratios: list[float] = []
    for seed in range(pairs):
        started = time.perf_counter()
        for speaker in (agents.haiku, agents.sonnet, agents.prose):
            await speaker.generate("the sea", 0.8, seed=seed)
        between = time.perf_counter()
        await agents.observer.cascade("the sea", seed=seed)
        ratios.append((time.perf_counter() - between) / (between - started))
    return _median(ratios)


async def _lag(agents: Agents) -> tuple[float, str]:
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
    late.sort()
    return 1000 * late[-1], f"p99 {1000 * late[len(late) * 99 // 100]:.1f}"


async def _memory(agents: Agents, sonnets: int) -> tuple[float, list[str]]:
    await _write(agents, range(20))
    before = _resident_mb()
    texts = await _write(agents, range(20, 20 + sonnets))
    return _resident_mb() - before, texts


async def _write(agents: Agents, seeds: range) -> list[str]:
    return [(await agents.sonnet.generate("love and time", seed=seed)).text for seed in seeds]


def _metre(texts: list[str]) -> tuple[float, str]:
    formatter = SonnetFormatter()
    share = sum(not formatter.is_metrical(text.split("\n")) for text in texts) / len(texts)
    clean = sum(formatter.is_clean(text.split("\n")) for text in texts)
    return share, f"{clean} of {len(texts)} sonnets have 14 clean lines"


def _alike(texts: list[str]) -> tuple[float, str]:
    lines = [line for text in texts for line in text.split("\n")]
    return 1 - len(set(lines)) / len(lines), f"{len(set(texts))} different sonnets"


async def _echo(agents: Agents) -> tuple[float, str]:
    shares: list[float] = []
    for seed in SEEDS:
        for prompts in TOPICS.values():
            said = prompts.split(",")
            for turn, prompt in enumerate(said):
                cascade = await _some_cascade(agents, prompt, seed)
                reply = {
                    word
                    for kept in (cascade.haiku, cascade.sonnet, cascade.prose)
                    for word in words(kept.text)
                }
                heard = set(words(" ".join(said[max(0, turn + 1 - HEARD) : turn + 1])))
                echoed = [word for word in reply & heard if len(word) > 2]  # noqa: PLR2004
                shares.append(len(echoed) / len(reply))
    best = sum(share < REACH["echo"] for share in shares) / len(shares)
    return statistics.mean(shares), (
        f"{len(shares)} turns, {min(shares):.3f} to {max(shares):.3f}; {best:.0%} below 0.2"
    )


async def _some_cascade(agents: Agents, prompt: str, seed: int) -> Cascade:
    """Return the cascade of the first seed that has one: prose may not come to an end."""
    for more in range(0, 1000, 100):
        with suppress(UnfinishedVerseError):
            return await agents.observer.cascade(prompt, seed=seed + more)
    raise SystemExit(f"no cascade of {prompt!r} in ten")


def _median(ratios: list[float]) -> tuple[float, str]:
    """Return the median less 1, and between which ranks it is with 95 % (the sign test)."""
    ratios.sort()
    beyond = max(0, math.floor(len(ratios) / 2 - 0.98 * math.sqrt(len(ratios))))
    least, most = ratios[beyond] - 1.0, ratios[-1 - beyond] - 1.0
    return statistics.median(ratios) - 1.0, f"95 %: {least:.3f} to {most:.3f}, {len(ratios)} pairs"


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("a process has a size")


def _tell(name: str, value: float, more: str) -> None:
    verdict = "ok" if value <= REACH[name] else "short"
    print(f"{name} {value:.3f} {REACH[name]:g} {verdict}  ({more})", flush=True)


if __name__ == "__main__":
    main()
