"""All three at once: each keeps its own, and the observer one sentence."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from scripted import Scripted, lines

from hive_verse.agents import Agents, open_agents
from hive_verse.errors import UnfinishedVerseError
from hive_verse.heading import content_words
from hive_verse.sonnet import AsyncSonnetGenerator

VERSES = [
    "The moon is old, and all the rivers know.",
    "A stranger came to sing before the gate,",
    "And what he sang was neither joy nor woe,",
    "But how the winter comes, and comes too late.",
    *lines(10),
]
TEXT = "".join(f"{line}\n" for line in VERSES)


@pytest_asyncio.fixture
async def agents(tmp_path: Path) -> AsyncGenerator[Agents]:
    async with open_agents(tmp_path / "clouds", Scripted([TEXT])) as opened:
        yield opened


async def test_each_keeps_its_own_text_and_the_observer_a_sentence(agents: Agents):
    cascade = await agents.observer.cascade("the winter sea", seed=7)
    stats = await agents.stats()
    assert (stats.haiku.count, stats.sonnet.count, stats.prose.count) == (1, 1, 1)
    assert stats.cascade.count == 1
    assert cascade.sonnet.text == "\n".join(VERSES)
    assert len(cascade.haiku.text.split("\n")) == 3


async def test_the_sentence_is_three_to_five_words_of_the_field(agents: Agents):
    for seed in range(10):
        cascade = await agents.observer.cascade("the winter sea", seed=seed)
        said = " ".join(kept.text for kept in (cascade.haiku, cascade.sonnet, cascade.prose))
        words = cascade.sentence.removesuffix(".").lower().split()
        assert 3 <= len(words) <= 5
        assert set(words) <= set(content_words(said))
        assert cascade.field_words == len(content_words(said))


async def test_resonance_and_entropy_are_means(agents: Agents):
    cascade = await agents.observer.cascade("the winter sea", seed=7)
    texts = (cascade.haiku, cascade.sonnet, cascade.prose)
    assert cascade.resonance == pytest.approx(sum(1 - kept.dissonance.value for kept in texts) / 3)
    assert cascade.entropy == pytest.approx(
        sum(kept.dissonance.pulse.entropy for kept in texts) / 3
    )
    assert 0 <= cascade.resonance <= 1


async def test_all_speak_at_the_same_time(tmp_path: Path):
    class Meeting(Scripted):
        """Says nothing before the sonnet and the prose have both asked."""

        both = asyncio.Event()

        async def generate(self, ask):  # pyright: ignore[reportMissingParameterType]
            if self.asked:
                self.both.set()
            async with asyncio.timeout(60):
                first = super().generate(ask)
                item = await anext(first)
                await self.both.wait()
            yield item
            async for item in first:
                yield item

    async with open_agents(tmp_path, Meeting([TEXT])) as agents:
        await agents.observer.cascade("the winter sea", seed=7)


async def test_if_one_fails_there_is_no_cascade_and_its_own_error(tmp_path: Path):
    async with open_agents(tmp_path, Scripted(["A line.\n"])) as agents:
        with pytest.raises(UnfinishedVerseError):
            await agents.observer.cascade("the winter sea", seed=7)
        stats = await agents.stats()
        assert (stats.sonnet.count, stats.prose.count, stats.cascade.count) == (0, 0, 0)


@pytest.mark.parametrize("count", [3, 5, 10])
async def test_so_many_cascades_at_once_leave_exact_counts(agents: Agents, count: int):
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for seed in range(count):
            group.create_task(agents.observer.cascade("the winter sea", seed=seed))
    stats = await agents.stats()
    assert (stats.haiku.count, stats.haiku.lines) == (count, 3 * count)
    assert (stats.sonnet.count, stats.sonnet.lines) == (count, 14 * count)
    assert (stats.prose.count, stats.cascade.count) == (count, count)


async def test_the_observers_mean_is_of_all(agents: Agents):
    cascades = [await agents.observer.cascade("the sea", seed=seed) for seed in range(3)]
    stats = (await agents.stats()).cascade
    assert stats.average_resonance == pytest.approx(sum(c.resonance for c in cascades) / 3)
    assert stats.average_entropy == pytest.approx(sum(c.entropy for c in cascades) / 3)


async def test_a_sonnet_of_a_cascade_has_the_temperature_of_its_cloud(agents: Agents):
    sonnet: AsyncSonnetGenerator = agents.sonnet
    first = await agents.observer.cascade("zebra", seed=1)
    assert first.sonnet.temperature == 0.8
    following = sonnet.harmonix.measure.temperature(first.sonnet.dissonance.value)
    assert (await agents.observer.cascade("zebra", seed=2)).sonnet.temperature == following
