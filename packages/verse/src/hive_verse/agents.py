"""All agents over one folder of clouds: what the command line and a worker's executors open."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hive_verse.cascade import AsyncMetaHarmonix, CascadeStats
from hive_verse.haiku import AsyncHaikuHarmonix, HaikuGenerator
from hive_verse.harmonix import Stats
from hive_verse.prose import AsyncProseHarmonix, ProseGenerator
from hive_verse.sonnet import AsyncSonnetGenerator, AsyncSonnetHarmonix
from hive_verse.speaking import Speaker

__all__ = ["Agents", "VerseStats", "open_agents"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerseStats:
    """What all clouds hold."""

    haiku: Stats
    sonnet: Stats
    prose: Stats
    cascade: CascadeStats


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """Everybody who speaks, and the observer."""

    haiku: HaikuGenerator
    sonnet: AsyncSonnetGenerator
    prose: ProseGenerator
    observer: AsyncMetaHarmonix

    async def stats(self) -> VerseStats:
        """Return what the clouds hold."""
        return VerseStats(
            haiku=await self.haiku.harmonix.stats(),
            sonnet=await self.sonnet.harmonix.stats(),
            prose=await self.prose.harmonix.stats(),
            cascade=await self.observer.stats(),
        )


@asynccontextmanager
async def open_agents(folder: Path, speaker: Speaker) -> AsyncGenerator[Agents]:
    """Open the clouds in `folder`, which is made if it is not there; `speaker` has the model."""
    async with AsyncExitStack() as stack:
        haiku = await stack.enter_async_context(AsyncHaikuHarmonix(folder / "haiku.db"))
        sonnet = await stack.enter_async_context(AsyncSonnetHarmonix(folder / "sonnet.db"))
        prose = await stack.enter_async_context(AsyncProseHarmonix(folder / "prose.db"))
        says_haiku = HaikuGenerator(haiku)
        writes_sonnets = AsyncSonnetGenerator(speaker, sonnet)
        writes_prose = ProseGenerator(speaker, prose)
        observer = AsyncMetaHarmonix(
            folder / "observer.db", haiku=says_haiku, sonnet=writes_sonnets, prose=writes_prose
        )
        await stack.enter_async_context(observer)
        yield Agents(haiku=says_haiku, sonnet=writes_sonnets, prose=writes_prose, observer=observer)
