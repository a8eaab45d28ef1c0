"""Prose: sentences of the model's lines, that begin from the cloud and not from the prompt."""

import random
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from scripted import Scripted, kept_lines

from hive_verse.errors import UnfinishedVerseError
from hive_verse.heading import MARK
from hive_verse.prose import (
    AsyncProseHarmonix,
    ProseGenerator,
    is_prose,
    sentences,
)

TEXT = """The moon is old, and all the rivers know.
A stranger came to sing before the gate,
And what he sang was neither joy nor woe,
But how the winter comes, and comes too late.
I heard him not
"""
SAID = [
    "The moon is old, and all the rivers know.",
    "A stranger came to sing before the gate, and what he sang was neither joy nor woe, but how"
    " the winter comes, and comes too late.",
]


@pytest_asyncio.fixture
async def cloud(tmp_path: Path) -> AsyncGenerator[AsyncProseHarmonix]:
    async with AsyncProseHarmonix(tmp_path / "prose.db") as opened:
        yield opened


def test_lines_run_together_into_whole_sentences():
    assert sentences(TEXT.splitlines()) == SAID


def test_a_name_keeps_its_capital_and_what_is_no_word_is_left_alone():
    assert sentences(["So", "I came", "O love", "'Tis so."]) == ["So I came O love 'Tis so."]


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("too few words.", False), ("the same " * 20 + ".", False), (" ".join(SAID), True),
     (" ".join(f"word{'abcdefghij'[at % 10] * (at // 10 + 1)}" for at in range(1001)), False)],
)  # fmt: skip
def test_prose_has_words_enough_and_different_ones(text: str, is_one: bool):
    assert is_prose([text]) is is_one


async def test_prose_is_kept_by_its_sentences(cloud: AsyncProseHarmonix):
    kept = await ProseGenerator(Scripted([TEXT]), cloud).generate("the sea", seed=1)
    assert await kept_lines(cloud, kept.id) == SAID
    assert kept.text == "\n".join(SAID)


async def test_the_prompt_is_no_beginning(cloud: AsyncProseHarmonix):
    speaker = Scripted([TEXT])
    await ProseGenerator(speaker, cloud).generate("zebra", seed=1)
    assert speaker.asked[0].prompt == f"{MARK}\n"


async def test_the_prompts_phrases_are_counted(cloud: AsyncProseHarmonix):
    await ProseGenerator(Scripted([TEXT]), cloud).generate("zebra quagga okapi", seed=1)
    async with cloud.database.reading():
        rows = await cloud.database.rows("select count from trigrams where first = 'zebra'")
    assert rows == [(1,)]


async def test_a_text_begins_from_the_latest_sentence_a_phrase_or_any(cloud: AsyncProseHarmonix):
    assert await cloud.beginning(random.Random(1)) == ""
    for text in (["The oldest sentence is of bees."], ["The latest one is of wasps."]):
        await cloud.receive("bees of bees", text, temperature=1, seed=1)
    begun = Counter([await cloud.beginning(random.Random(seed)) for seed in range(400)])
    assert 0.6 < begun["The latest one is of wasps."] / 400 < 0.85
    assert begun["The oldest sentence is of bees."] > 5


async def test_what_is_no_prose_is_written_again_and_warmer(cloud: AsyncProseHarmonix):
    speaker = Scripted(["Too short.\n", TEXT])
    kept = await ProseGenerator(speaker, cloud).generate("the sea", 0.5, seed=1)
    assert kept.text == "\n".join(SAID)
    assert [ask.sampling.temperature for ask in speaker.asked] == [0.5, 0.6]
    assert kept.temperature == 0.6
    assert len({ask.sampling.seed for ask in speaker.asked}) == 2


class Heard:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.text = ""

    def hear(self, text: str) -> None:
        self.text += text

    def strike(self, line: str) -> None:
        raise AssertionError(line)


async def test_only_what_is_kept_is_heard(cloud: AsyncProseHarmonix):
    heard = Heard()
    prose = ProseGenerator(Scripted(["Too short.\n", TEXT]), cloud)
    kept = await prose.generate("the sea", seed=1, listener=heard)
    assert heard.text == f"{kept.text}\n"


async def test_what_never_is_prose_is_an_error_and_not_kept(cloud: AsyncProseHarmonix):
    with pytest.raises(UnfinishedVerseError, match="none of 5 texts"):
        await ProseGenerator(Scripted(["Too short.\n"]), cloud).generate("the sea", seed=1)
    assert (await cloud.stats()).count == 0


async def test_what_is_far_is_told_more_soberly(cloud: AsyncProseHarmonix):
    prose = ProseGenerator(Scripted([TEXT]), cloud)
    first = await prose.generate("zebra", seed=1)
    assert first.temperature == 0.8
    assert first.dissonance.value > 0.7
    assert (await prose.generate("zebra", seed=2)).temperature == pytest.approx(0.56)
