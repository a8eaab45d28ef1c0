"""The decoder is the plain one, and a sequence's logits know nothing of the others'."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
from decoders import GPT, LLAMA, ODD, make_decoder, random_weights, shapes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hive_inference.arrays import F32, I64
from hive_inference.decoder.cache import Cache
from hive_inference.decoder.decoder import PIECE, Decoder
from hive_inference.decoder.folding import fold
from hive_inference.decoder.shape import DecoderShape, Positions
from hive_inference.errors import WeightsError
from hive_inference.reference.decoder import PlainDecoder
from hive_inference.weights import Weights

KINDS = pytest.mark.parametrize("shape", [GPT, LLAMA, ODD], ids=["gpt", "llama", "odd"])


def text(seed: int, length: int, shape: DecoderShape) -> I64:
    return np.random.default_rng(seed).integers(0, shape.vocabulary, length)


def enter(decoder: Decoder, slot: int, tokens: I64) -> F32:
    logits = np.empty(0, np.float32)
    for start in range(0, len(tokens), PIECE):
        logits = decoder.prefill(slot, tokens[start : start + PIECE])
    return logits.copy()


def assert_near(found: F32, expected: Any) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-4)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(shapes(), st.integers(0, 999), st.data())
def test_a_decoder_is_what_the_plain_one_is(shape: DecoderShape, seed: int, data: st.DataObject):
    weights = random_weights(shape, seed)
    decoder = make_decoder(shape, weights, slots=3)
    lengths = data.draw(st.lists(st.integers(1, shape.context), min_size=1, max_size=3))
    sequences = [text(seed + i, length, shape) for i, length in enumerate(lengths)]
    plain = PlainDecoder(weights, shape)
    expected = [plain.logits(sequence.tolist()) for sequence in sequences]
    entered = [max(1, len(sequence) - 5) for sequence in sequences]
    for slot, (sequence, count) in enumerate(zip(sequences, entered, strict=True)):
        assert_near(enter(decoder, slot, sequence[:count]), expected[slot][count - 1])
    for further in range(min(len(s) - count for s, count in zip(sequences, entered, strict=True))):
        places = [count + further for count in entered]
        found = decoder.decode(np.array([s[p] for s, p in zip(sequences, places, strict=True)]))
        for row, place in enumerate(places):
            assert_near(found[row], expected[row][place])


def logits_in_company(
    shape: DecoderShape, own: I64, others: Sequence[I64], *, slot: int, new: I64
) -> list[bytes]:
    """Return the bits of `own`'s logits, prompt and new tokens, among `others`."""
    rows = len(others) + 1
    decoder = make_decoder(shape, slots=max(rows, 2))
    company = list(others)
    company.insert(slot, own)
    bits = [enter(decoder, i, tokens) for i, tokens in enumerate(company)][slot : slot + 1]
    for step, token in enumerate(new):
        tokens = text(step, rows, shape)
        tokens[slot] = token
        bits.append(decoder.decode(tokens)[slot].copy())
    return [logits.tobytes() for logits in bits]


@KINDS
@settings(max_examples=8)
@given(data=st.data())
def test_no_bit_of_the_logits_depends_on_the_batch(shape: DecoderShape, data: st.DataObject):
    own = text(1, data.draw(st.integers(1, 100)), shape)
    new = text(2, 40, shape)
    alone = logits_in_company(shape, own, [], slot=0, new=new)
    for mates in (1, 2, 7, 31):
        lengths = data.draw(st.lists(st.integers(1, 100), min_size=mates, max_size=mates))
        others = [text(3 + i, length, shape) for i, length in enumerate(lengths)]
        slot = data.draw(st.integers(0, mates))
        assert logits_in_company(shape, own, others, slot=slot, new=new) == alone


def sharp_weights(shape: DecoderShape, sharper: float) -> dict[str, F32]:
    """Return weights of which attention makes scores that many times as far from zero."""
    weights = dict(random_weights(shape))
    for layer in range(shape.layers):
        name = f"layers.{layer}.qkv.weight"
        weights[name] = weights[name].copy()
        weights[name][:, : shape.query_width] *= sharper
    return weights


@KINDS
@pytest.mark.parametrize("sharper", [30, 3000])
def test_scores_far_from_zero_are_weighed_like_any_others(shape: DecoderShape, sharper: float):
    weights = sharp_weights(shape, sharper)
    decoder, tokens = make_decoder(shape, weights, slots=1), text(1, 40, shape)
    expected = PlainDecoder(weights, shape).logits(tokens.tolist())
    enter(decoder, 0, tokens[:8])
    for place in range(8, 40):
        assert_near(decoder.decode(tokens[place : place + 1])[0], expected[place])


@KINDS
@pytest.mark.parametrize("sharper", [30, 3000])
def test_no_bit_of_a_far_sequence_depends_on_its_mates(shape: DecoderShape, sharper: float):
    weights = sharp_weights(shape, sharper)
    own, new = text(1, 8, shape), text(2, 30, shape)
    alone, beside = (make_decoder(shape, weights, slots=3) for _ in range(2))
    enter(alone, 0, own)
    for slot, tokens in enumerate((text(3, 90, shape), own, text(4, 30, shape))):
        enter(beside, slot, tokens)
    for token in new:
        [logits] = alone.decode(np.array([token]))
        assert beside.decode(np.array([token] * 3))[1].tobytes() == logits.tobytes()


@KINDS
def test_no_bit_depends_on_a_mate_whose_scores_are_far_from_zero(shape: DecoderShape):
    own, new = text(1, 8, shape), text(2, 30, shape)
    alone, beside = (make_decoder(shape, slots=2) for _ in range(2))
    enter(alone, 0, own)
    enter(beside, 0, own)
    enter(beside, 1, text(3, 60, shape))
    # What a mate may have come to: no number of it may reach another row.
    beside.cache.both[:, 0, 1] *= 1e4
    for token in new:
        [logits] = alone.decode(np.array([token]))
        assert beside.decode(np.array([token, token]))[0].tobytes() == logits.tobytes()


@KINDS
def test_a_sequence_that_is_moved_goes_on_as_before(shape: DecoderShape):
    own, new = text(1, 70, shape), text(2, 30, shape)
    decoder = make_decoder(shape, slots=3)
    enter(decoder, 0, own)
    stayed = [decoder.decode(new[i : i + 1]).copy() for i in range(30)]
    decoder.cache.clear(0)
    enter(decoder, 0, text(5, 100, shape))
    enter(decoder, 2, own)
    decoder.cache.move(2, 0)
    moved = [decoder.decode(new[i : i + 1]).copy() for i in range(30)]
    np.testing.assert_array_equal(moved, stayed)


def test_a_context_does_not_overflow():
    decoder = make_decoder(GPT, slots=2)
    enter(decoder, 0, text(0, GPT.context, GPT))
    with pytest.raises(ValueError, match="cannot grow: all 160 positions"):
        decoder.decode(np.array([1]))
    with pytest.raises(ValueError, match="160 \\+ 1 tokens do not fit into 160"):
        decoder.prefill(0, np.array([1]))


def test_positions_of_a_cache_that_no_text_has_come_to_take_no_memory():
    shape = replace(GPT, context=32_768)
    taken = psutil.Process().memory_info().rss
    cache = Cache(shape, slots=16)
    cache.both[..., 0, :] = 1.0
    cache.hidden[:] = 0.0  # is as long as the context, whatever comes
    taken = psutil.Process().memory_info().rss - taken
    assert cache.both.nbytes > 250 * 2**20
    assert taken < cache.hidden.nbytes + 8 * 2**20


def test_a_tensor_of_another_shape_is_refused_by_name():
    weights = {**random_weights(GPT), "layers.1.up.weight": np.zeros((128, 32), np.float32)}
    with pytest.raises(WeightsError, match=r"'layers\.1\.up\.weight' has the shape"):
        fold(Weights(weights, described="random"), GPT)


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(WeightsError, match="4 heads cannot share 3"):
        DecoderShape(
            vocabulary=9, width=8, layers=1, heads=4, kv_heads=3, head_width=2, feed_forward=8,
            context=8,
        )  # fmt: skip
    with pytest.raises(WeightsError, match="layers is 0"):
        DecoderShape(
            vocabulary=9, width=8, layers=0, heads=1, kv_heads=1, head_width=2, feed_forward=8,
            context=8,
        )  # fmt: skip
    with pytest.raises(WeightsError, match="width 3 cannot be turned"):
        DecoderShape(
            vocabulary=9, width=9, layers=1, heads=3, kv_heads=3, head_width=3, feed_forward=8,
            context=8, positions=Positions.ROTARY,
        )  # fmt: skip
