"""Words are counted as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_verse.heading import MARK, MAX_WORDS, content_words, heading
from hive_verse.wording import overlap, syllables, syllables_of_line, trigrams, words


def test_words_are_lower_case_and_keep_their_apostrophes():
    assert words("Feed'st thy light's flame, O!") == ["feed'st", "thy", "light's", "flame", "o"]


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True)))
def test_a_text_has_two_trigrams_fewer_than_words(said: list[str]):
    assert len(trigrams(" ".join(said))) == max(0, len(said) - 2)


SETS = st.sets(st.sampled_from("abcdefgh"))


@given(SETS, SETS)
def test_overlap_is_a_share_and_has_no_order(first: set[str], second: set[str]):
    assert 0 <= overlap(first, second) == overlap(second, first) <= 1


def test_overlap_of_equal_sets_is_all_and_of_empty_ones_nothing():
    assert overlap({"a", "b"}, {"b", "a"}) == 1
    assert overlap(set(), set()) == 0


@pytest.mark.parametrize(
    ("word", "count"),
    [("love", 1), ("loved", 1), ("wanted", 2), ("table", 2), ("times", 1), ("beauty", 2),
     ("remember", 3), ("silence", 2), ("the", 1), ("thee", 1), ("quiet", 2), ("rhythm", 1)],
)  # fmt: skip
def test_syllables_of_usual_words(word: str, count: int):
    assert syllables(word) == count


def test_a_pentameter_has_about_ten_syllables():
    assert syllables_of_line("The silver moon remembers all the sea") == 10


def test_content_words_say_what_a_prompt_is_about():
    assert content_words("What is love? Is LOVE the time of my life?") == ["love", "time", "life"]


@given(st.text())
def test_a_heading_is_one_line_that_begins_with_the_mark(prompt: str):
    above = heading(content_words(prompt))
    assert above.startswith(MARK)
    assert above.count(MARK) == above.count("\n") == 1
    assert above.endswith("\n")
    assert len(above.split()) <= MAX_WORDS
