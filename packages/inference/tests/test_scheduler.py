"""Requests share a decoder without knowing of one another, and leave it once they are done."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from decoders import GPT, LLAMA, make_decoder, random_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from hive_inference.decoder.shape import DecoderShape
from hive_inference.errors import FullError
from hive_inference.messages import End, Ended, Generate, News, Piece, Refused, Sampling
from hive_inference.reference.decoder import PlainDecoder
from hive_inference.scheduler import UNSOUND, Scheduler
from hive_inference.stopping import StopWatch
from hive_inference.tokenizer import CharacterTokenizer

LETTERS = "".join(chr(ord("0") + i) for i in range(70))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(
    shape: DecoderShape = GPT,
    *,
    slots: int = 4,
    capacity: int = 100,
    clock: Clock | None = None,
    end_tokens: tuple[int, ...] = (),
) -> Scheduler:
    return Scheduler(
        make_decoder(shape, slots=slots),
        CharacterTokenizer(LETTERS[: shape.vocabulary], stand_in="0"),
        queue_capacity=capacity,
        clock=clock or Clock(),
        end_tokens=end_tokens,
    )


def ask(prompt: str = "ABC", **changed: object) -> Generate:
    return replace(Generate(model="m", prompt=prompt, max_tokens=20), **changed)


def run(scheduler: Scheduler) -> list[News]:
    news: list[News] = []
    while not scheduler.is_idle:
        news += scheduler.step()
    return news


def texts(news: list[News]) -> Mapping[int, str]:
    found: dict[int, str] = defaultdict(str)
    for item in news:
        if isinstance(item, Piece):
            found[item.number] += item.text
    return found


def ends(news: list[News]) -> dict[int, Ended]:
    return {item.number: item for item in news if isinstance(item, Ended)}


asks = st.builds(
    ask,
    prompt=st.text(LETTERS[:65], min_size=1, max_size=90),
    max_tokens=st.integers(1, 40),
    sampling=st.builds(Sampling, seed=st.integers(0, 99), temperature=st.floats(0.5, 2)),
    priority=st.integers(-1, 1),
)


@pytest.mark.parametrize("shape", [GPT, LLAMA], ids=["gpt", "llama"])
@settings(max_examples=5)
@given(requests=st.lists(asks, min_size=1, max_size=20))
def test_a_text_is_the_same_at_batch_1_8_and_32(shape: DecoderShape, requests: list[Generate]):
    found: list[Mapping[int, str]] = []
    for slots in (1, 8, 32):
        scheduler = make(shape, slots=slots)
        for number, request in enumerate(requests):
            scheduler.submit(number, request)
        news = run(scheduler)
        assert {n: e.end for n, e in ends(news).items()} == dict.fromkeys(
            range(len(requests)), End.LENGTH
        )
        found.append(texts(news))
    assert found[0] == found[1] == found[2]
    assert [len(found[0][n]) for n in range(len(requests))] == [r.max_tokens for r in requests]


@settings(max_examples=10)
@given(data=st.data())
def test_whoever_comes_and_goes_changes_no_text(data: st.DataObject):
    requests = data.draw(st.lists(asks, min_size=3, max_size=12))
    scheduler = make(slots=3)
    news: list[News] = []
    cancelled: set[int] = set()
    for number, request in enumerate(requests):
        scheduler.submit(number, request)
        for _ in range(data.draw(st.integers(0, 12))):
            news += scheduler.step()
        if data.draw(st.booleans()):
            cancelled.add(data.draw(st.integers(0, number)))
            scheduler.cancel(max(cancelled))
    news += run(scheduler)
    found, over = texts(news), ends(news)
    assert len(over) == len(requests)
    for number, request in enumerate(requests):
        alone = make(slots=1)
        alone.submit(0, request)
        expected = texts(run(alone))[0]
        if over[number].end is End.LENGTH:
            assert found[number] == expected
        else:
            assert over[number].end is End.CANCELLED
            assert expected.startswith(found[number])


def test_without_temperature_the_text_is_the_plain_decoders():
    plain = PlainDecoder(random_weights(GPT), GPT)
    tokens = CharacterTokenizer(LETTERS[:65], stand_in="0").encode("the bees")
    for _ in range(20):
        tokens.append(int(plain.logits(tokens)[-1].argmax()))
    scheduler = make()
    scheduler.submit(1, ask("the bees", sampling=Sampling(temperature=0.0)))
    expected = "".join(LETTERS[token] for token in tokens[8:])
    assert texts(run(scheduler))[1] == expected


def test_a_text_longer_than_the_context_goes_on_from_its_last_half():
    requests = [ask("A" * length, max_tokens=400) for length in (3, 159, 160, 161, 500)]
    found: list[Mapping[int, str]] = []
    for slots in (1, 4):
        scheduler = make(slots=slots)
        for number, request in enumerate(requests):
            scheduler.submit(number, request)
        found.append(texts(run(scheduler)))
    assert found[0] == found[1]
    assert all(len(found[0][number]) == 400 for number in range(len(requests)))


def test_a_slot_is_free_at_the_step_at_which_its_sequence_ends():
    scheduler = make(slots=1)
    scheduler.submit(1, ask(max_tokens=2))
    scheduler.submit(2, ask(max_tokens=2))
    numbers = [item.number for _ in range(4) for item in scheduler.step()]
    assert numbers == [1, 1, 1, 2, 2, 2]
    assert scheduler.is_idle


def test_whose_numbers_are_none_is_refused_alone_and_leaves_nothing_to_who_comes_next():
    news: list[list[News]] = []
    for is_broken in (False, True):
        scheduler: Any = make()
        for number, prompt in enumerate(("ABC", 20 * "ABC", "ABC")):
            scheduler.submit(number, ask(prompt, sampling=Sampling(seed=number)))
        said = [item for _ in range(6) for item in scheduler.step()]
        if is_broken:
            cache = scheduler._decoder.cache
            cache.both[:, :, 1, :, : int(cache.lengths[1])] = np.nan
        said += run(scheduler)
        # While the longer one is read, what was behind the shorter one in its slot is read too.
        for number, prompt in ((3, 20 * "ABC"), (4, "ABC")):
            scheduler.submit(number, ask(prompt, sampling=Sampling(seed=number)))
        news.append(said + run(scheduler))
    sound, broken = news
    assert [item for item in broken if isinstance(item, Refused)] == [
        Refused(number=1, error=UNSOUND)
    ]
    assert ends(broken).keys() == {0, 2, 3, 4}
    found, expected = texts(broken), texts(sound)
    assert expected[1].startswith(found[1])
    assert [found[number] for number in (0, 2, 3, 4)] == [
        expected[number] for number in (0, 2, 3, 4)
    ]


def test_a_new_request_speaks_within_two_steps_while_others_run():
    scheduler = make(slots=4)
    for number in range(3):
        scheduler.submit(number, ask(max_tokens=50))
    for _ in range(10):
        scheduler.step()
    scheduler.submit(9, ask())
    assert 9 in {item.number for _ in range(2) for item in scheduler.step()}


def test_a_long_prompt_does_not_silence_the_others():
    scheduler = make(slots=2)
    scheduler.submit(1, ask(max_tokens=50))
    scheduler.step()
    scheduler.submit(2, ask("B" * 150))
    for _ in range(4):
        assert [item.number for item in scheduler.step()] == [1]


def test_the_highest_priority_goes_first_then_the_oldest():
    scheduler = make(slots=1)
    for number, priority in enumerate([0, 5, -3, 5]):
        scheduler.submit(number, ask(priority=priority, max_tokens=1))
    assert list(ends(run(scheduler))) == [1, 3, 0, 2]


def test_a_full_queue_refuses():
    scheduler = make(slots=1, capacity=2)
    scheduler.submit(0, ask())
    scheduler.step()
    scheduler.submit(1, ask())
    scheduler.submit(2, ask())
    with pytest.raises(FullError, match="2 requests wait already"):
        scheduler.submit(3, ask())
    assert (scheduler.running, scheduler.waiting) == (1, 2)


def test_what_is_cancelled_ends_within_a_step_running_or_waiting():
    scheduler = make(slots=1)
    scheduler.submit(1, ask())
    scheduler.submit(2, ask())
    scheduler.step()
    for number in (1, 2, 3):
        scheduler.cancel(number)
    over = ends(scheduler.step())
    assert {number: ended.end for number, ended in over.items()} == {
        1: End.CANCELLED,
        2: End.CANCELLED,
    }
    assert scheduler.is_idle


def test_what_is_late_ends_running_or_waiting_and_says_how_long_it_waited():
    clock = Clock()
    scheduler = make(slots=1, clock=clock)
    scheduler.submit(1, ask(within_seconds=5.0))
    scheduler.submit(2, ask(within_seconds=3.0))
    scheduler.step()
    clock.now = 3.0
    assert ends(scheduler.step()) == {2: Ended(number=2, end=End.LATE, waited_seconds=3.0)}
    clock.now = 5.0
    (ended,) = ends(scheduler.step()).values()
    assert (ended.number, ended.end, ended.waited_seconds) == (1, End.LATE, 0.0)
    assert scheduler.is_idle


def test_a_text_ends_before_its_stop_text():
    scheduler = make()
    scheduler.submit(0, ask(max_tokens=60))
    whole = texts(run(scheduler))[0]
    stop = whole[20:23]
    scheduler.submit(1, ask(max_tokens=60, stop=(stop, "never")))
    news = run(scheduler)
    assert texts(news)[1] == whole[: whole.index(stop)]
    assert ends(news)[1].end is End.FINISHED


def test_a_model_ends_its_text_with_an_end_token():
    scheduler = make()
    scheduler.submit(0, ask(max_tokens=60))
    whole = texts(run(scheduler))[0]
    ending = make(end_tokens=(LETTERS.index(whole[10]),))
    ending.submit(0, ask(max_tokens=60))
    news = run(ending)
    assert texts(news)[0] == whole[: whole.index(whole[10])]
    assert ends(news)[0].end is End.FINISHED
    assert ends(news)[0].tokens_out == whole.index(whole[10]) + 1


def test_an_empty_prompt_has_no_continuation():
    scheduler = make()
    scheduler.submit(1, ask(""))
    assert run(scheduler) == [Ended(number=1, end=End.FINISHED)]


@given(st.text("ab"), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_a_stop_text_is_found_however_it_is_cut(text: str, stops: list[str]):
    for size in (1, 2, 3, len(text) or 1):
        watch = StopWatch(stops)
        pieces = [watch.push(text[i : i + size]) for i in range(0, len(text), size)]
        found = "".join(pieces) + watch.finish()
        places = [place for stop in stops if (place := text.find(stop)) >= 0]
        if size == 1 and places:
            # The stop text that is whole first is the one that counts.
            whole_first = min(text.find(stop) + len(stop) for stop in stops if stop in text)
            cut = [text.find(s) for s in stops if s in text[:whole_first]]
            assert found == text[: min(cut)]
        elif not places:
            assert found == text
        assert watch.has_stopped == bool(places)
