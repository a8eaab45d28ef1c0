"""Each kernel is what its plain form says, on arrays of any shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hive_inference.arrays import F32, aligned_empty
from hive_inference.kernels.gelu import twice_gelu_erf, twice_gelu_tanh
from hive_inference.kernels.linear import Linear, Plan, Way, multiply, row_steps, tune
from hive_inference.kernels.norms import layer_norm, normalise
from hive_inference.kernels.softmax import exponentiate, softmax
from hive_inference.reference import kernels as plain

shapes = st.tuples(st.integers(1, 150), st.integers(1, 96))
seeds = st.integers(0, 2**32)


def drawn(seed: int, *shape: int, scale: float = 3.0) -> F32:
    return scale * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@given(shapes, seeds)
def test_gelu_in_its_tanh_form_is_the_formula(shape: tuple[int, int], seed: int):
    x = drawn(seed, *shape)
    expected = 2 * plain.gelu_tanh(x.astype(np.float64))
    twice_gelu_tanh(x, aligned_empty(64, shape[1]))
    np.testing.assert_allclose(x, expected, atol=2e-6, rtol=2e-6)


@given(shapes, seeds)
def test_gelu_in_its_exact_form_is_within_its_bound(shape: tuple[int, int], seed: int):
    x = drawn(seed, *shape)
    expected = 2 * plain.gelu_erf(x.astype(np.float64))
    twice_gelu_erf(x, aligned_empty(128, shape[1]))
    assert np.abs(x - expected).max() < 6e-5


def test_gelu_far_out_is_the_identity_or_nothing():
    x = np.array([[-1e4, -50.0, -11.0, 0.0, 11.0, 50.0, 1e4]], dtype=np.float32)
    for gelu in (twice_gelu_erf, twice_gelu_tanh):
        activated = x.copy()
        gelu(activated, aligned_empty(128, 7))
        np.testing.assert_allclose(activated / 2, np.maximum(x, 0.0), rtol=1e-6)


@given(shapes, seeds, st.sampled_from([1e-12, 1e-5, 1e-3]))
def test_normalise_is_the_root_mean_square_norm(shape: tuple[int, int], seed: int, epsilon: float):
    x = drawn(seed, *shape)
    out = np.empty_like(x)
    normalise(x, out, np.empty(shape[0], np.float32), epsilon)
    expected = plain.rms_norm(x.astype(np.float64), np.ones(shape[1]), epsilon)
    np.testing.assert_allclose(out * np.sqrt(shape[1]), expected, rtol=2e-5, atol=1e-6)


@given(st.tuples(st.integers(1, 150), st.integers(8, 96)), seeds)
def test_layer_norm_is_the_formula(shape: tuple[int, int], seed: int):
    rows, width = shape
    x, gamma, beta = drawn(seed, rows, width), drawn(seed + 1, width), drawn(seed + 2, width)
    expected = plain.layer_norm(
        x.astype(np.float64), gamma.astype(np.float64), beta.astype(np.float64), 1e-5
    )
    means = np.full(width, 1 / width, np.float32)
    lengths = np.empty(rows, np.float32)
    scaled = gamma * np.float32(np.sqrt(width))
    layer_norm(x, scaled, beta, mean_weights=means, lengths=lengths, epsilon=1e-5)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-4)


@given(shapes, seeds)
def test_softmax_is_the_formula(shape: tuple[int, int], seed: int):
    x = drawn(seed, *shape)
    expected = plain.softmax(x.astype(np.float64))
    softmax(x)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-7)


@given(st.integers(1, 9), st.integers(1, 200), st.integers(0, 9), seeds)
def test_columns_that_are_not_seen_change_no_bit_of_a_softmax(
    rows: int, columns: int, more: int, seed: int
):
    narrow, wide = -columns % 32 + columns, -columns % 32 + columns + 32 * more
    scores = np.full((rows, wide), -np.inf, np.float32)
    scores[:, :columns] = drawn(seed, rows, columns)
    short = scores[:, :narrow].copy()
    sums, short_sums = np.empty((rows, 1), np.float32), np.empty((rows, 1), np.float32)
    expected = plain.softmax(scores.astype(np.float64))
    exponentiate(scores, sums)
    exponentiate(short, short_sums)
    assert sums.tobytes() == short_sums.tobytes()
    assert scores[:, :narrow].tobytes() == short.tobytes()
    np.testing.assert_allclose(scores / sums, expected, rtol=1e-4, atol=1e-7)


@given(st.integers(1, 70), st.integers(1, 6), st.integers(1, 16), seeds)
def test_every_way_multiplies(inputs: int, blocks: int, width: int, seed: int):
    x, weight = drawn(seed, 8, inputs), drawn(seed + 1, inputs, blocks * width)
    expected = x.astype(np.float64) @ weight.astype(np.float64)
    for way in (Way(), Way(block=width), Way(tile=2), Way(tile=4)):
        out = np.full((8, blocks * width), np.nan, np.float32)
        multiply(x, weight, out, way)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=10)
@given(st.integers(1, 600), st.integers(1, 96), seeds)
def test_a_row_has_the_same_bits_whatever_rows_it_is_with(inputs: int, outputs: int, seed: int):
    plan = tune(inputs, outputs, row_steps(16))
    assert plan.is_exact
    layer = Linear(drawn(seed, inputs, outputs), drawn(seed + 1, outputs), plan)
    row = drawn(seed + 2, inputs)
    bits: set[bytes] = set()
    for rows in (1, 2, 3, 5, 8, 13, 16):
        x = drawn(rows, 16, inputs)
        x[rows - 1] = row
        out = aligned_empty(16, outputs)
        layer(x, out, rows)
        bits.add(out[rows - 1].tobytes())
    assert len(bits) == 1


def test_a_plan_takes_the_fastest_of_the_ways_that_agree():
    clock = iter(float(tick) for tick in range(100_000))
    plan = tune(64, 64, (2, 4), clock=lambda: next(clock))
    assert [rows for rows, _ in plan.steps] == [2, 4]
    # By this clock all ways are equally fast, so the first in order wins.
    assert plan.step(3) == (4, Way())


def test_more_rows_than_a_plan_is_for_are_refused():
    with pytest.raises(ValueError, match="for 4 rows, not 5"):
        Plan(((4, Way()),), is_exact=True).step(5)
