"""Sonnets and their cloud: fourteen lines or an error, each kept whole, counts exact."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from scripted import Scripted, kept_lines, lines

from hive_inference.errors import RequestError
from hive_verse.database import Database
from hive_verse.dissonance import SonnetMeasure
from hive_verse.errors import MalformedVerseError, UnfinishedVerseError
from hive_verse.harmonix import DEFAULT_QUALITY, Kept
from hive_verse.heading import MARK
from hive_verse.sonnet import DEFAULT_TEMPERATURE, AsyncSonnetGenerator, AsyncSonnetHarmonix
from hive_verse.speaking import CHUNK_TOKENS, MAX_SEED
from hive_verse.wording import syllables_of_line, trigrams, words


def text(count: int, start: int = 1) -> str:
    return "".join(f"{line}\n" for line in lines(count, start))


SONNET = text(14).removesuffix("\n")


@pytest_asyncio.fixture
async def cloud(tmp_path: Path) -> AsyncGenerator[AsyncSonnetHarmonix]:
    async with AsyncSonnetHarmonix(tmp_path / "clouds" / "sonnet.db") as opened:
        yield opened


def generator(cloud: AsyncSonnetHarmonix, *texts: str) -> AsyncSonnetGenerator:
    return AsyncSonnetGenerator(Scripted(texts or [text(14)]), cloud)


async def test_a_new_cloud_is_empty(cloud: AsyncSonnetHarmonix):
    stats = await cloud.stats()
    assert (stats.count, stats.lines, stats.vocabulary, stats.trigrams) == (0, 0, 0, 0)


async def test_a_cloud_makes_its_folder(tmp_path: Path):
    async with AsyncSonnetHarmonix(tmp_path / "a" / "b" / "sonnet.db"):
        assert (tmp_path / "a" / "b" / "sonnet.db").is_file()


async def test_a_cloud_that_is_not_open_says_how_to_use_it(tmp_path: Path):
    with pytest.raises(RuntimeError, match="async with"):
        await AsyncSonnetHarmonix(tmp_path / "sonnet.db").stats()


async def test_what_was_kept_is_there_when_the_cloud_is_opened_again(tmp_path: Path):
    async with AsyncSonnetHarmonix(tmp_path / "sonnet.db") as cloud:
        await cloud.add_sonnet(SONNET)
    async with AsyncSonnetHarmonix(tmp_path / "sonnet.db") as cloud:
        assert [told.text for told in await cloud.recent()] == [SONNET]


async def test_a_sonnet_is_kept_with_its_fourteen_lines(cloud: AsyncSonnetHarmonix):
    kept = await cloud.add_sonnet(SONNET)
    assert await kept_lines(cloud, kept.id) == lines(14)
    assert (await cloud.stats()).lines == 14


@pytest.mark.parametrize("count", [0, 1, 13, 15])
async def test_other_than_fourteen_lines_are_no_sonnet(cloud: AsyncSonnetHarmonix, count: int):
    with pytest.raises(MalformedVerseError, match="14 are needed"):
        await cloud.add_sonnet("\n".join(["A line of verse"] * count))
    assert (await cloud.stats()).count == 0


async def test_an_empty_line_is_none(cloud: AsyncSonnetHarmonix):
    with pytest.raises(MalformedVerseError, match="empty"):
        await cloud.receive("", [*lines(13), " "], temperature=1, seed=1)


async def test_every_word_and_trigram_is_counted(cloud: AsyncSonnetHarmonix):
    await cloud.add_sonnet(SONNET)
    stats = await cloud.stats()
    assert stats.vocabulary == len(set(words(SONNET)))
    assert stats.trigrams == len(set(trigrams(SONNET)))
    assert stats.trigrams_heard == len(trigrams(SONNET))


async def test_the_same_sonnet_again_adds_counts_and_no_words(cloud: AsyncSonnetHarmonix):
    await cloud.add_sonnet(SONNET)
    before = await cloud.stats()
    await cloud.add_sonnet(SONNET)
    after = await cloud.stats()
    assert (after.vocabulary, after.trigrams) == (before.vocabulary, before.trigrams)
    assert after.trigrams_heard == 2 * before.trigrams_heard


async def test_what_is_heard_is_not_remembered(cloud: AsyncSonnetHarmonix):
    await cloud.add_sonnet(SONNET, heard="zebra quagga okapi")
    assert (await cloud.stats()).trigrams == len(set(trigrams(SONNET)))


async def test_a_lines_syllables_are_kept(cloud: AsyncSonnetHarmonix):
    kept = await cloud.add_sonnet(SONNET)
    statement = "select syllables from lines where text_id = ? order by number"
    async with cloud.database.reading():
        rows = await cloud.database.rows(statement, kept.id)
    assert [count for (count,) in rows] == [syllables_of_line(line) for line in lines(14)]


async def test_to_an_empty_cloud_every_word_is_new(cloud: AsyncSonnetHarmonix):
    found = await cloud.compute_dissonance("unlike in all", SONNET)
    assert found.value == pytest.approx(0.7 + 0.3 * found.pulse.novelty)


async def test_a_sonnet_that_the_cloud_knows_is_nearer(cloud: AsyncSonnetHarmonix):
    before = await cloud.compute_dissonance("hours", SONNET)
    await cloud.add_sonnet(SONNET)
    after = await cloud.compute_dissonance("hours", SONNET)
    assert before.value - after.value == pytest.approx(0.7)


async def test_measuring_changes_nothing(cloud: AsyncSonnetHarmonix):
    await cloud.add_sonnet(SONNET)
    before = await cloud.stats()
    await cloud.compute_dissonance("new words here", "and others there")
    assert await cloud.stats() == before


async def test_an_echo_is_nearer_than_an_answer(cloud: AsyncSonnetHarmonix):
    echo = await cloud.compute_dissonance("the moon", "the moon")
    answer = await cloud.compute_dissonance("the moon", "a river")
    assert echo.value < answer.value


async def test_a_sonnets_dissonance_is_that_before_it_was_added(cloud: AsyncSonnetHarmonix):
    measured = await cloud.compute_dissonance("hours", SONNET)
    kept = await cloud.add_sonnet(SONNET, heard="hours")
    assert kept.dissonance == measured


async def test_recent_ones_come_newest_first(cloud: AsyncSonnetHarmonix):
    for number in range(5):
        await cloud.add_sonnet(text(14, number).rstrip("\n"))
    assert [told.id for told in await cloud.recent(3)] == [5, 4, 3]


async def test_the_best_come_first_and_no_bad_one(cloud: AsyncSonnetHarmonix):
    for quality in (0.5, 0.9, 0.7, 0.8):
        await cloud.add_sonnet(SONNET, quality=quality)
    assert [told.quality for told in await cloud.best()] == [0.9, 0.8, 0.7]
    assert [told.quality for told in await cloud.best(1)] == [0.9]
    assert len(await cloud.best(min_quality=0.5)) == 4


async def test_a_quality_that_is_no_share_is_refused_and_nothing_kept(cloud: AsyncSonnetHarmonix):
    with pytest.raises(Exception, match="quality"):
        await cloud.add_sonnet(SONNET, quality=1.5)
    stats = await cloud.stats()
    assert (stats.count, stats.lines, stats.vocabulary) == (0, 0, 0)


async def test_averages_are_of_all(cloud: AsyncSonnetHarmonix):
    for quality in (0.2, 0.6):
        await cloud.add_sonnet(SONNET, quality=quality)
    stats = await cloud.stats()
    told = await cloud.recent()
    assert stats.average_quality == pytest.approx(0.4)
    assert stats.average_dissonance == pytest.approx(sum(t.dissonance for t in told) / 2)


async def test_who_asked_and_with_what_seed_is_kept(cloud: AsyncSonnetHarmonix):
    await cloud.add_sonnet(SONNET, seed=MAX_SEED, added_by="task 7")
    (told,) = await cloud.recent()
    assert (told.seed, told.added_by) == (MAX_SEED, "task 7")
    assert told.at > 1_700_000_000


async def test_the_next_temperature_follows_the_latest_exchange(cloud: AsyncSonnetHarmonix):
    assert await cloud.next_temperature() == 0.8
    await cloud.add_sonnet(SONNET, heard="nothing alike")
    assert await cloud.next_temperature() == 1.0
    await cloud.add_sonnet(SONNET, heard=SONNET)
    assert await cloud.next_temperature() == 0.6


async def test_the_defaults_are_those_of_the_seed(cloud: AsyncSonnetHarmonix):
    speaker = Scripted([text(14)])
    kept = await AsyncSonnetGenerator(speaker, cloud).generate("Love")
    (told,) = await cloud.recent()
    assert kept.temperature == told.temperature == DEFAULT_TEMPERATURE == 0.8
    assert speaker.asked[0].max_tokens == CHUNK_TOKENS == 200
    assert told.quality == DEFAULT_QUALITY == 0.5


async def test_a_prompt_becomes_the_heading(cloud: AsyncSonnetHarmonix):
    speaker = Scripted([text(14)])
    await AsyncSonnetGenerator(speaker, cloud).generate("What is love, and what is time?")
    assert speaker.asked[0].prompt == f"{MARK}love time\n"
    assert speaker.asked[0].stop == (MARK,)


async def test_the_temperature_is_that_of_the_request(cloud: AsyncSonnetHarmonix):
    speaker = Scripted([text(14)])
    await AsyncSonnetGenerator(speaker, cloud).generate("Love", 0.65)
    assert speaker.asked[0].sampling.temperature == 0.65


async def test_a_chunk_that_was_cut_off_goes_on_where_it_was(cloud: AsyncSonnetHarmonix):
    whole = text(14)
    speaker = Scripted([whole[:300], whole[300:]])
    kept = await AsyncSonnetGenerator(speaker, cloud).generate("Love")
    assert kept.text == SONNET
    assert speaker.asked[1].prompt == f"{MARK}love\n{whole[:300]}"
    assert speaker.asked[0].sampling.seed != speaker.asked[1].sampling.seed


async def test_a_text_that_ended_early_goes_on_from_its_last_lines(cloud: AsyncSonnetHarmonix):
    speaker = Scripted([f"{text(10)}=", text(9, 11)])
    kept = await AsyncSonnetGenerator(speaker, cloud).generate("")
    assert kept.text == SONNET
    assert speaker.asked[1].prompt == f"{MARK}\n{text(7, 4)}"


async def test_lines_that_may_not_stand_are_left_out(cloud: AsyncSonnetHarmonix):
    raw = text(7) + "ROMEO:\nand low\n" + text(3) + text(7, 8)
    assert (await generator(cloud, raw).generate("")).text == SONNET


async def test_too_few_lines_are_an_error_and_nothing_is_kept(cloud: AsyncSonnetHarmonix):
    with pytest.raises(UnfinishedVerseError, match="13 lines came in 4800 tokens"):
        await generator(cloud, text(13)).generate("Love", seed=1)
    assert (await cloud.stats()).count == 0


async def test_a_temperature_that_cannot_be_is_refused(cloud: AsyncSonnetHarmonix):
    with pytest.raises(RequestError, match="temperature is -1"):
        await generator(cloud).generate("Love", -1.0)


async def test_a_seed_is_drawn_if_none_is_given(cloud: AsyncSonnetHarmonix):
    seeds = [(await generator(cloud).generate("Love")).seed for _ in range(5)]
    assert len(set(seeds)) == 5


async def test_a_sonnet_that_is_called_off_is_not_kept(cloud: AsyncSonnetHarmonix):
    async with cloud.database.lock, asyncio.TaskGroup() as group:
        task = group.create_task(generator(cloud).generate("Love"))
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()
    assert (await cloud.stats()).count == 0


@pytest.mark.parametrize("yields", range(1, 16, 2))
async def test_a_cancel_at_any_moment_leaves_a_sonnet_whole_or_out(
    cloud: AsyncSonnetHarmonix, yields: int
):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(cloud.add_sonnet(SONNET))
        for _ in range(yields):
            await asyncio.sleep(0.0005)
        task.cancel()
    stats = await cloud.stats()
    assert stats.lines == 14 * stats.count
    assert stats.trigrams_heard == len(trigrams(SONNET)) * stats.count
    # And the cloud goes on.
    await cloud.add_sonnet(SONNET)
    assert (await cloud.stats()).count == stats.count + 1


@pytest.mark.parametrize("calls", [3, 5, 10])
@pytest.mark.parametrize("generators", [1, 3])
async def test_so_many_at_once_leave_exact_counts(
    cloud: AsyncSonnetHarmonix, calls: int, generators: int
):
    writers = [generator(cloud, text(14, start)) for start in range(generators)]
    kept: list[Kept] = []

    async def write(number: int) -> None:
        kept.append(await writers[number % generators].generate("Love"))

    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            group.create_task(write(number))
    stats = await cloud.stats()
    assert (stats.count, stats.lines) == (calls, 14 * calls)
    said = Counter(trigram for one in kept for trigram in trigrams(one.text))
    assert (stats.trigrams, stats.trigrams_heard) == (len(said), said.total())


async def test_at_once_or_one_by_one_counts_the_same(tmp_path: Path):
    texts = [text(14, start).rstrip("\n") for start in range(6)]

    async def counted(path: Path, *, is_parallel: bool) -> list[tuple[object, ...]]:
        async with AsyncSonnetHarmonix(path) as cloud:
            if is_parallel:
                async with asyncio.TaskGroup() as group:
                    for one in texts:
                        group.create_task(cloud.add_sonnet(one))
            else:
                for one in texts:
                    await cloud.add_sonnet(one)
            statement = "select first, second, third, count from trigrams order by 1, 2, 3"
            async with cloud.database.reading():
                return await cloud.database.rows(statement)

    alone = await counted(tmp_path / "alone.db", is_parallel=False)
    assert alone == await counted(tmp_path / "together.db", is_parallel=True)


async def test_two_clouds_on_one_file_lose_nothing(tmp_path: Path):
    path = tmp_path / "sonnet.db"
    async with AsyncSonnetHarmonix(path) as one, AsyncSonnetHarmonix(path) as other:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task((one if number % 2 else other).add_sonnet(SONNET))
        assert (await one.stats()).count == (await other.stats()).count == 10


async def test_sections_under_the_lock_never_overlap(
    cloud: AsyncSonnetHarmonix, monkeypatch: pytest.MonkeyPatch
):
    inside: list[int] = []
    most = 0
    rows = Database.rows

    async def traced(self: Database, statement: str, *values: object):
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        try:
            return await rows(self, statement, *values)
        finally:
            inside.pop()

    monkeypatch.setattr(Database, "rows", traced)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(cloud.add_sonnet(SONNET))
            group.create_task(cloud.compute_dissonance("hours", SONNET))
            group.create_task(cloud.stats())
            group.create_task(cloud.best(number + 1))
    assert most == 1
    assert (await cloud.stats()).count == 20


async def test_a_section_that_fails_lets_go_of_the_lock(cloud: AsyncSonnetHarmonix):
    async def fail() -> None:
        async with cloud.database.transaction():
            await cloud.database.write("delete from lines")
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await fail()
    async with asyncio.timeout(30):
        await cloud.add_sonnet(SONNET)


async def test_the_measure_is_the_sonnets_own(cloud: AsyncSonnetHarmonix):
    assert isinstance(cloud.measure, SonnetMeasure)
