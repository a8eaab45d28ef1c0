"""The encoder is the plain one, for texts of any length side by side."""

from dataclasses import replace

import numpy as np
import pytest
from encoders import BERT, make_encoder, random_weights, shapes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hive_inference.embedder import Embedder
from hive_inference.encoder.packing import pack
from hive_inference.encoder.shape import EncoderShape
from hive_inference.errors import FullError, RequestError, WeightsError
from hive_inference.kernels.linear import TILE, Plan
from hive_inference.messages import Embed, Embedded, End, Ended, News
from hive_inference.reference.encoder import PlainEncoder
from hive_inference.tokenizer import CharacterTokenizer

LETTERS = "".join(chr(ord("0") + i) for i in range(70))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(shapes(), st.integers(0, 999), st.data())
def test_an_encoder_is_what_the_plain_one_is(shape: EncoderShape, seed: int, data: st.DataObject):
    weights = random_weights(shape, seed)
    token = st.integers(0, shape.vocabulary - 1)
    text = st.lists(token, min_size=1, max_size=shape.context)
    texts = data.draw(st.lists(text, min_size=1, max_size=8))
    found = make_encoder(shape, weights).encode(texts)
    plain = PlainEncoder(weights, shape)
    for vector, tokens in zip(found, texts, strict=True):
        # GELU's approximation is off by 3e-5, and these layers are larger than trained ones.
        np.testing.assert_allclose(vector, plain.encode(tokens), atol=5e-4)


@pytest.mark.parametrize("tile", [None, 1, TILE])
def test_a_long_pass_is_what_the_plain_one_is_in_whatever_portions_it_is_computed(tile: int | None):
    draw = np.random.default_rng(1)
    texts = [draw.integers(0, 70, length).tolist() for length in [*[3] * 9, *[40] * 7, 39, 1]]
    weights = random_weights(BERT)
    plain = PlainEncoder(weights, BERT)
    encoder = make_encoder(BERT, weights, max_tokens=400, plan=Plan(panel=8, tile=tile))
    for vector, tokens in zip(encoder.encode(texts), texts, strict=True):
        np.testing.assert_allclose(vector, plain.encode(tokens), atol=1e-4)


@pytest.mark.parametrize(("sharper", "shift"), [(30, 0), (3000, 0), (1, 6), (1, -6)])
def test_scores_far_from_zero_are_weighed_like_any_others(sharper: int, shift: int):
    weights = dict(random_weights(BERT))
    for layer in range(BERT.layers):
        weight, bias = f"layers.{layer}.qkv.weight", f"layers.{layer}.qkv.bias"
        weights[weight], weights[bias] = weights[weight].copy(), weights[bias].copy()
        weights[weight][:, : BERT.width] *= sharper
        # All queries point one way, and all keys the same way or the other.
        weights[bias][: BERT.width] += 6
        weights[bias][BERT.width : 2 * BERT.width] += shift
    texts = [[1, 2, 3, 4], [5, 6, 7, 8], [9] * 20]
    plain = PlainEncoder(weights, BERT)
    for vector, tokens in zip(make_encoder(BERT, weights).encode(texts), texts, strict=True):
        np.testing.assert_allclose(vector, plain.encode(tokens), atol=1e-3)


@given(st.lists(st.integers(1, 700), max_size=60))
def test_packs_hold_every_text_once_within_the_budget(lengths: list[int]):
    packs = pack(lengths, 512)
    assert sorted(number for numbers in packs for number in numbers) == list(range(len(lengths)))
    for numbers in packs:
        assert sum(lengths[number] for number in numbers) <= 512 or len(numbers) == 1
    in_order = [lengths[number] for numbers in packs for number in numbers]
    assert in_order == sorted(lengths, reverse=True)


def test_what_does_not_fit_is_refused():
    encoder = make_encoder(BERT, max_tokens=50)
    for length in (0, 41):
        with pytest.raises(ValueError, match="a text has 1 to 40 tokens"):
            encoder.encode([[1] * length])
    with pytest.raises(ValueError, match="60 tokens do not fit into 50"):
        encoder.encode([[1] * 30, [2] * 30])
    with pytest.raises(WeightsError, match="3 heads cannot share a width of 25"):
        replace(BERT, width=25)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make_embedder(clock: Clock | None = None, capacity: int = 100) -> Embedder:
    return Embedder(
        make_encoder(BERT),
        CharacterTokenizer(LETTERS, stand_in="0"),
        queue_capacity=capacity,
        clock=clock or Clock(),
    )


def ask(*texts: str, priority: int = 0, within_seconds: float | None = None) -> Embed:
    return Embed(model="m", texts=texts, priority=priority, within_seconds=within_seconds)


def run(embedder: Embedder) -> list[News]:
    news: list[News] = []
    while not embedder.is_idle:
        news += embedder.step()
    return news


@settings(max_examples=10)
@given(st.lists(st.lists(st.text(LETTERS, max_size=60), min_size=1), min_size=1, max_size=6))
def test_every_text_gets_its_vector(requests: list[list[str]]):
    embedder = make_embedder()
    for number, texts in enumerate(requests):
        embedder.submit(number, ask(*texts))
    news = run(embedder)
    encode = CharacterTokenizer(LETTERS, stand_in="0").encode
    plain = PlainEncoder(random_weights(BERT), BERT)
    found = {(n.number, n.place): n.vector for n in news if isinstance(n, Embedded)}
    for number, texts in enumerate(requests):
        for place, text in enumerate(texts):
            tokens = encode(text) or [0]
            if len(tokens) > BERT.context:
                tokens = [*tokens[: BERT.context - 1], tokens[-1]]
            vector = np.frombuffer(found[number, place], np.float32)
            np.testing.assert_allclose(vector, plain.encode(tokens), atol=5e-4)
    over = [item for item in news if isinstance(item, Ended)]
    assert sorted(item.number for item in over) == list(range(len(requests)))
    assert {item.end for item in over} == {End.FINISHED}


def test_urgent_texts_go_first():
    embedder = make_embedder()
    for number, priority in enumerate([0, 2, 1]):
        embedder.submit(number, ask(*["A" * 40] * 103, priority=priority))
    over = [item.number for item in run(embedder) if isinstance(item, Ended)]
    assert over == [1, 2, 0]


def test_what_is_cancelled_or_late_ends_at_the_next_step():
    clock = Clock()
    embedder = make_embedder(clock)
    many = ["A" * 40] * 200
    for number in range(3):
        embedder.submit(number, ask(*many, within_seconds=5.0 if number == 1 else None))
    embedder.step()
    embedder.cancel(0)
    embedder.cancel(2)
    clock.now = 5.0
    ends = {item.number: item.end for item in embedder.step() if isinstance(item, Ended)}
    assert ends == {0: End.CANCELLED, 1: End.LATE, 2: End.CANCELLED}
    assert embedder.is_idle
    assert embedder.step() == []


def test_a_full_queue_and_an_empty_request_are_refused():
    embedder = make_embedder(capacity=1)
    embedder.submit(0, ask("A"))
    with pytest.raises(FullError):
        embedder.submit(1, ask("A"))
    with pytest.raises(RequestError, match="no text to embed"):
        ask()
