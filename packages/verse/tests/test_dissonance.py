"""Three measures: bounded, each with its own direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_verse.dissonance import (
    HaikuMeasure,
    Measure,
    ProseMeasure,
    SonnetMeasure,
    take_pulse,
)
from hive_verse.wording import words

MEASURES: list[Measure] = [HaikuMeasure(), SonnetMeasure(), ProseMeasure()]
SOME = ("the", "sea", "and", "moon", "wind", "are", "old", "friends")
RANGES = [(0.3, 1.5), (0.6, 1.0), (0.56, 0.96)]
RISING, FALLING = 1, -1
DIRECTIONS = [RISING, RISING, FALLING]
TEXTS = st.lists(st.sampled_from(SOME)).map(" ".join)
ANY_TEXT = st.one_of(st.text(max_size=60), TEXTS)
SHARES = st.floats(0, 1)

every_measure = pytest.mark.parametrize("measure", MEASURES)


@every_measure
@given(heard=ANY_TEXT, said=ANY_TEXT, knows_all=st.booleans())
def test_dissonance_and_pulse_are_shares(measure: Measure, heard: str, said: str, knows_all: bool):
    known = frozenset(words(said)) if knows_all else frozenset[str]()
    found = measure.measure(heard, said, known=known)
    pulse = found.pulse
    for value in (found.value, pulse.novelty, pulse.arousal, pulse.entropy):
        assert 0 <= value <= 1


@pytest.mark.parametrize(
    ("measure", "bounds", "direction"), list(zip(MEASURES, RANGES, DIRECTIONS, strict=True))
)
@given(first=SHARES, second=SHARES)
def test_temperature_goes_its_own_way_within_its_range(
    measure: Measure, bounds: tuple[float, float], direction: int, first: float, second: float
):
    low, high = sorted((first, second))
    rise = measure.temperature(high) - measure.temperature(low)
    assert rise * direction >= 0
    for value in (low, high):
        assert bounds[0] - 1e-9 <= measure.temperature(value) <= bounds[1] + 1e-9


@pytest.mark.parametrize(("measure", "bounds"), list(zip(MEASURES, RANGES, strict=True)))
def test_both_ends_of_its_range_are_reached(measure: Measure, bounds: tuple[float, float]):
    ends = sorted((measure.temperature(0.0), measure.temperature(1.0)))
    assert ends == pytest.approx(bounds)


@every_measure
@given(said=TEXTS)
def test_what_is_said_again_is_nearer_than_what_has_no_word_of_it(measure: Measure, said: str):
    if not words(said):
        return
    known = frozenset(words(said))
    same = measure.measure(said, said, known=known).value
    other = " ".join(f"x{word}" for word in words(said))
    assert same <= measure.measure(other, said, known=known).value


def test_a_haiku_to_silence_is_half_way():
    assert HaikuMeasure().measure("", "the old pond", known=set()).value == 0.5
    assert HaikuMeasure().measure("the old pond", "", known=set()).value == 0.5


def test_a_shared_phrase_brings_a_haiku_nearer():
    heard = "the old pond and much else besides it here"
    near = HaikuMeasure().measure(heard, "the old pond", known=set()).value
    far = HaikuMeasure().measure(heard, "pond the old", known=set()).value
    assert near == pytest.approx(0.7 * far)


def test_a_sonnet_of_words_that_its_cloud_knows_is_nearer():
    said = "the moon is cold"
    new = SonnetMeasure().measure("love", said, known=set()).value
    old = SonnetMeasure().measure("love", said, known=frozenset(words(said))).value
    assert new - old == pytest.approx(0.7)


@given(heard=ANY_TEXT, said=ANY_TEXT)
def test_an_exchange_of_very_unlike_lengths_is_clamped(heard: str, said: str):
    assert take_pulse(heard, said * 50, many_words=20).arousal <= 1
