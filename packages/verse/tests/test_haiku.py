"""Haiku and their cloud: 5, 7 and 5 syllables whatever is asked, counts exact."""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import kept_lines

from hive_inference.errors import RequestError
from hive_verse.dissonance import HaikuMeasure
from hive_verse.errors import MalformedVerseError
from hive_verse.haiku import PATTERN, AsyncHaikuHarmonix, Chain, HaikuGenerator, lexicon
from hive_verse.harmonix import Kept
from hive_verse.wording import syllables, trigrams, words

POND = ["the old pond sleeps still", "a frog leaps into water", "one bird sings all night"]
WORDS = sorted(lexicon().syllables)


def pattern(lines: list[str]) -> tuple[int, ...]:
    return tuple(sum(lexicon().syllables[word] for word in line.split()) for line in lines)


@pytest_asyncio.fixture
async def cloud(tmp_path: Path) -> AsyncGenerator[AsyncHaikuHarmonix]:
    async with AsyncHaikuHarmonix(tmp_path / "haiku.db") as opened:
        yield opened


@pytest_asyncio.fixture
async def haiku(cloud: AsyncHaikuHarmonix) -> HaikuGenerator:
    return HaikuGenerator(cloud)


PHRASES = st.lists(
    st.tuples(*[st.sampled_from([*WORDS, "zebra"])] * 3, st.integers(1, 50)), max_size=30
)


@settings(max_examples=200)
@given(PHRASES, st.floats(0.01, 100), st.integers(0, 2**64 - 1))
def test_any_chain_at_any_temperature_gives_5_7_5(
    phrases: list[tuple[str, str, str, int]], temperature: float, seed: int
):
    lines = Chain.of(phrases, {}).build(temperature, random.Random(seed))
    assert pattern(lines) == PATTERN == (5, 7, 5)


@given(st.integers(0, 2**32))
def test_no_line_ends_in_a_weak_word_and_no_strong_one_is_said_twice(seed: int):
    lines = Chain.of([], {}).build(1.0, random.Random(seed))
    assert not {line.split()[-1] for line in lines} & lexicon().weak
    strong = [word for line in lines for word in line.split() if word not in lexicon().weak]
    assert len(strong) == len(set(strong))


def test_the_lexicon_is_mostly_what_the_estimate_says():
    counts = lexicon().syllables
    assert len(counts) > 300
    assert sum(syllables(word) == count for word, count in counts.items()) > 0.95 * len(counts)


def test_words_weigh_as_they_are_told_to():
    towards = Chain.of([], {"moon": 1e9})
    assert "moon" in towards.build(0.5, random.Random(1))[0]


async def test_a_new_cloud_is_empty(cloud: AsyncHaikuHarmonix):
    assert (await cloud.stats()).count == 0


async def test_a_haiku_is_kept_with_its_three_lines(haiku: HaikuGenerator):
    kept = await haiku.generate("the moon", seed=1)
    assert await kept_lines(haiku.harmonix, kept.id) == kept.text.split("\n")
    assert (await haiku.harmonix.stats()).lines == 3


@pytest.mark.parametrize("count", [0, 1, 2, 4])
async def test_other_than_three_lines_are_none(cloud: AsyncHaikuHarmonix, count: int):
    with pytest.raises(MalformedVerseError, match="3 are needed"):
        await cloud.receive("", ["a line"] * count, temperature=1, seed=1)


@pytest.mark.parametrize("temperature", [0.1, 0.3, 0.9, 1.5, 10.0])
async def test_every_temperature_gives_5_7_5(haiku: HaikuGenerator, temperature: float):
    kept = await haiku.generate("winter sea", temperature, seed=3)
    assert pattern(kept.text.split("\n")) == PATTERN
    assert kept.temperature == temperature


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
async def test_a_temperature_that_is_not_above_0_is_refused(
    haiku: HaikuGenerator, temperature: float
):
    with pytest.raises(RequestError, match="must be above 0"):
        await haiku.generate("moon", temperature)


@pytest.mark.parametrize("prompt", ["", "?!", "zebra quagga", "the of and", "moon " * 500, "俳句"])
async def test_every_prompt_gives_5_7_5(haiku: HaikuGenerator, prompt: str):
    kept = await haiku.generate(prompt, seed=3)
    assert pattern(kept.text.split("\n")) == PATTERN


async def test_a_word_that_was_heard_comes_up_more(haiku: HaikuGenerator):
    count = 0
    for seed in range(10):
        count += "thunder" in (await haiku.generate("thunder", 0.8, seed=seed)).text
    assert count >= 5


async def test_a_seed_says_the_same_from_the_same_cloud(tmp_path: Path):
    said: list[str] = []
    for name in ("one.db", "other.db"):
        async with AsyncHaikuHarmonix(tmp_path / name) as cloud:
            said.append((await HaikuGenerator(cloud).generate("moon", seed=9)).text)
    assert said[0] == said[1]


async def test_seeds_differ_from_the_same_cloud(tmp_path: Path):
    said: set[str] = set()
    for seed in range(20):
        async with AsyncHaikuHarmonix(tmp_path / f"{seed}.db") as cloud:
            said.add((await HaikuGenerator(cloud).generate("moon", 1.0, seed=seed)).text)
    assert len(said) == 20


async def test_without_a_temperature_it_is_what_the_latest_exchange_suggests(
    haiku: HaikuGenerator,
):
    first = await haiku.generate("moon", seed=1)
    assert first.temperature == HaikuMeasure().temperature(0.5)
    second = await haiku.generate("moon", seed=2)
    assert second.temperature == HaikuMeasure().temperature(first.dissonance.value)


async def test_it_is_heard_while_it_is_said(haiku: HaikuGenerator):
    class Heard:
        text = ""

        def hear(self, text: str) -> None:
            self.text += text

        def strike(self, line: str) -> None:
            raise AssertionError(line)

    listener = Heard()
    kept = await haiku.generate("moon", seed=1, listener=listener)
    assert listener.text == f"{kept.text}\n"


async def test_measuring_remembers_the_phrases_of_both(cloud: AsyncHaikuHarmonix):
    await cloud.compute_dissonance("one two three", "four five six seven")
    stats = await cloud.stats()
    assert (stats.trigrams, stats.trigrams_heard, stats.count) == (3, 3, 0)


async def test_a_phrase_again_counts_again(cloud: AsyncHaikuHarmonix):
    for _ in range(4):
        await cloud.compute_dissonance("one two three", "")
    stats = await cloud.stats()
    assert (stats.trigrams, stats.trigrams_heard) == (1, 4)


async def test_resonance_is_the_mean_of_the_exchanges(cloud: AsyncHaikuHarmonix):
    first = await cloud.compute_dissonance("the old pond", "the old pond")
    second = await cloud.compute_dissonance("the old pond", "zebra")
    async with cloud.database.reading():
        ((count, resonance),) = await cloud.database.rows("select count, resonance from trigrams")
    assert count == 3
    assert resonance == pytest.approx(1 - (2 * first.value + second.value) / 3)


async def test_silence_is_half_way(cloud: AsyncHaikuHarmonix):
    assert (await cloud.compute_dissonance("", "the old pond")).value == 0.5


async def test_an_echo_is_near_and_an_unlike_answer_far(cloud: AsyncHaikuHarmonix):
    assert (await cloud.compute_dissonance("old pond", "old pond")).value < 0.5
    assert (await cloud.compute_dissonance("old pond", "zebra crossing")).value > 0.5


async def test_many_different_words_are_more_dissonant(cloud: AsyncHaikuHarmonix):
    heard = "moon and other things"
    few = await cloud.compute_dissonance(heard, "moon over water now")
    many = await cloud.compute_dissonance(heard, " ".join(["moon", *WORDS[:30]]))
    assert few.pulse.entropy < 0.7 < many.pulse.entropy
    assert few.value < many.value <= 1


async def weights(cloud: AsyncHaikuHarmonix) -> dict[str, float]:
    async with cloud.database.reading():
        return dict(await cloud.database.rows("select word, weight from words"))


async def test_words_that_are_said_weigh_more(cloud: AsyncHaikuHarmonix):
    await cloud.receive("", POND, temperature=1, seed=1)
    assert all(weight == pytest.approx(1.1) for weight in (await weights(cloud)).values())


async def test_words_that_are_not_said_fade(cloud: AsyncHaikuHarmonix):
    await cloud.receive("", POND, temperature=1, seed=1)
    await cloud.morph(["pond"])
    found = await weights(cloud)
    assert found["pond"] == pytest.approx(1.21)
    assert found["frog"] == pytest.approx(1.1 * 0.99)


async def test_no_word_fades_away(cloud: AsyncHaikuHarmonix):
    await cloud.receive("", POND, temperature=1, seed=1)
    for _ in range(400):
        await cloud.morph([])
    assert min((await weights(cloud)).values()) == pytest.approx(0.05)


async def test_no_word_rises_for_ever(cloud: AsyncHaikuHarmonix):
    await cloud.receive("", POND, temperature=1, seed=1)
    for _ in range(40):
        await cloud.morph(["pond", "frog"])
    found = await weights(cloud)
    assert found["pond"] == found["frog"] == 10
    assert found["bird"] < 1


def test_a_word_that_is_heard_weighs_more_whatever_it_weighed():
    chain = Chain.of([], {"moon": 10.0, "frog": 0.05, "the": 2.0})
    towards = chain.hearing(["moon", "frog", "pond", "the"])
    assert towards.weights == {"moon": 250.0, "frog": 1.25, "pond": 25.0, "the": 2.0}


async def test_to_morph_words_that_are_not_there_adds_none(cloud: AsyncHaikuHarmonix):
    await cloud.morph(["zebra"])
    assert await weights(cloud) == {}


async def test_frequencies_are_counted(cloud: AsyncHaikuHarmonix):
    for seed in range(3):
        await cloud.receive("", POND, temperature=1, seed=seed)
    async with cloud.database.reading():
        rows = await cloud.database.rows("select frequency from words where word = 'pond'")
    assert rows == [(3,)]


async def test_the_chain_learns_what_is_heard(cloud: AsyncHaikuHarmonix):
    assert "lavender" not in (await cloud.chain()).after_two.get(("cold", "cold"), {})
    await cloud.compute_dissonance("cold cold lavender", "")
    assert (await cloud.chain()).after_two["cold", "cold"] == {"lavender": 1}


async def test_a_word_that_is_not_in_the_lexicon_never_enters_the_chain(cloud: AsyncHaikuHarmonix):
    await cloud.compute_dissonance("old pond zebra old pond zebra", "")
    chain = await cloud.chain()
    said = {word for following in chain.after_two.values() for word in following}
    assert "zebra" not in said
    assert said <= lexicon().syllables.keys()


async def test_recent_ones_come_newest_first(haiku: HaikuGenerator):
    kept = [await haiku.generate("moon", seed=seed) for seed in range(3)]
    assert [told.text for told in await haiku.harmonix.recent()] == [k.text for k in kept[::-1]]


async def test_stats_are_of_all(haiku: HaikuGenerator):
    kept = [await haiku.generate("moon", seed=seed) for seed in range(4)]
    stats = await haiku.harmonix.stats()
    assert (stats.count, stats.lines) == (4, 12)
    mean = sum(one.dissonance.value for one in kept) / 4
    assert stats.average_dissonance == pytest.approx(mean)


@pytest.mark.parametrize("calls", [3, 5, 10])
async def test_so_many_at_once_leave_exact_counts(haiku: HaikuGenerator, calls: int):
    kept: list[Kept] = []

    async def say(seed: int) -> None:
        kept.append(await haiku.generate("moon over water", seed=seed))

    async with asyncio.TaskGroup() as group:
        for seed in range(calls):
            group.create_task(say(seed))
    stats = await haiku.harmonix.stats()
    assert (stats.count, stats.lines) == (calls, 3 * calls)
    assert stats.trigrams_heard == calls + sum(len(trigrams(one.text)) for one in kept)
    frequencies = sum(len(words(one.text)) for one in kept)
    async with haiku.harmonix.database.reading():
        assert await haiku.harmonix.database.rows("select sum(frequency) from words") == [
            (frequencies,)
        ]


async def test_ten_measures_at_once_count_every_phrase(cloud: AsyncHaikuHarmonix):
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(cloud.compute_dissonance("one two three", "four five six"))
    assert (await cloud.stats()).trigrams_heard == 20


async def test_everything_at_once_ends(haiku: HaikuGenerator):
    cloud = haiku.harmonix
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for seed in range(15):
            group.create_task(haiku.generate("moon", seed=seed))
            group.create_task(cloud.compute_dissonance("moon", "sea"))
            group.create_task(cloud.morph(["moon"]))
            group.create_task(cloud.stats())
            group.create_task(cloud.recent())
            group.create_task(cloud.chain())
    assert (await cloud.stats()).count == 15


@pytest.mark.parametrize("yields", range(1, 10, 2))
async def test_a_cancel_at_any_moment_leaves_a_haiku_whole_or_out(
    haiku: HaikuGenerator, yields: int
):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(haiku.generate("", seed=1))
        for _ in range(yields):
            await asyncio.sleep(0.0005)
        task.cancel()
    stats = await haiku.harmonix.stats()
    assert stats.lines == 3 * stats.count
    await haiku.generate("moon")
