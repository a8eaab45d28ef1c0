"""Each kernel is what its plain form says, on arrays of any shape."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hive_inference.arrays import F32, aligned_empty, with_ones
from hive_inference.kernels.gelu import gelu_erf, gelu_tanh
from hive_inference.kernels.linear import TILE, Linear, Plan, lay_out, multiply, tune
from hive_inference.kernels.norms import Normalise, layer_norm
from hive_inference.kernels.softmax import (
    FOUR,
    exponentiate,
    exponentiate_carefully,
    has_lost,
)
from hive_inference.reference import kernels as plain

shapes = st.tuples(st.integers(1, 150), st.integers(1, 96))
seeds = st.integers(0, 2**32)


def drawn(seed: int, *shape: int, scale: float = 3.0) -> F32:
    return scale * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@np.errstate(over="ignore")
def activated(gelu: Callable[[F32, F32], None], x: F32) -> F32:
    copy = x.copy()
    gelu(copy, aligned_empty(128, x.shape[1]))
    return copy


@given(shapes, seeds)
def test_gelu_in_its_tanh_form_is_the_formula(shape: tuple[int, int], seed: int):
    x = drawn(seed, *shape)
    expected = plain.gelu_tanh(x.astype(np.float64))
    np.testing.assert_allclose(activated(gelu_tanh, x), expected, atol=2e-6, rtol=2e-6)


@given(shapes, seeds)
def test_gelu_in_its_exact_form_is_within_its_bound(shape: tuple[int, int], seed: int):
    x = drawn(seed, *shape)
    expected = plain.gelu_erf(x.astype(np.float64))
    assert np.abs(activated(gelu_erf, x) - expected).max() < 3e-5


def test_gelu_far_out_is_the_identity_or_nothing():
    x = np.array([[-1e4, -50.0, -11.0, 0.0, 11.0, 50.0, 1e4]], dtype=np.float32)
    for gelu in (gelu_erf, gelu_tanh):
        np.testing.assert_allclose(activated(gelu, x), np.maximum(x, 0.0), rtol=1e-6, atol=1e-12)


@given(shapes, seeds, st.sampled_from([1e-12, 1e-5, 1e-3]))
def test_normalise_is_the_root_mean_square_norm(shape: tuple[int, int], seed: int, epsilon: float):
    x = drawn(seed, *shape)
    out = np.empty_like(x)
    Normalise(x, out, shape[1] * epsilon)()
    expected = plain.rms_norm(x.astype(np.float64), np.ones(shape[1]), epsilon)
    np.testing.assert_allclose(out * np.sqrt(shape[1]), expected, rtol=2e-5, atol=1e-6)


@given(st.integers(1, 300), st.integers(2, 9), seeds)
def test_no_bit_of_a_norm_depends_on_the_rows_beside(width: int, rows: int, seed: int):
    x = drawn(seed, rows, width)
    together, alone = np.empty_like(x), np.empty_like(x)
    Normalise(x, together, 1e-3)()
    for row in range(rows):
        Normalise(x[row : row + 1], alone[row : row + 1], 1e-3)()
    assert together.tobytes() == alone.tobytes()


@given(st.tuples(st.integers(1, 150), st.integers(8, 96)), seeds)
def test_layer_norm_is_the_formula(shape: tuple[int, int], seed: int):
    rows, width = shape
    x, gamma, beta = drawn(seed, rows, width), drawn(seed + 1, width), drawn(seed + 2, width)
    expected = plain.layer_norm(
        x.astype(np.float64), gamma.astype(np.float64), beta.astype(np.float64), 1e-5
    )
    means = np.full((width, 1), 1 / width, np.float32)
    lengths, margin = np.empty((rows, 1), np.float32), width * 1e-5
    scaled = gamma * np.float32(np.sqrt(width))
    layer_norm(x, scaled, beta, mean_weights=means, lengths=lengths, margin=margin)
    np.testing.assert_allclose(x, expected, rtol=1e-4, atol=1e-4)


def softmaxed(exponentials: Callable[[F32, F32, F32], None], scores: F32) -> tuple[F32, F32]:
    """Return weights and their sums."""
    weights, sums = scores.copy(), np.empty((*scores.shape[:-1], 1), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        exponentials(weights, sums, np.ones((scores.shape[-1], 1), np.float32))
    return weights, sums


@pytest.mark.parametrize("exponentials", [exponentiate, exponentiate_carefully])
@given(shape=shapes, seed=seeds)
def test_weights_over_their_sum_are_a_softmax(
    exponentials: Callable[[F32, F32, F32], None], shape: tuple[int, int], seed: int
):
    scores = drawn(seed, *shape)
    weights, sums = softmaxed(exponentials, scores)
    expected = plain.softmax(scores.astype(np.float64))
    np.testing.assert_allclose(weights / sums, expected, rtol=1e-4, atol=1e-7)
    assert not has_lost(sums)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(0, 35), st.floats(60, 1e4), seeds)
def test_a_row_far_from_zero_has_its_greatest_taken_off_and_changes_no_bit_of_the_others(
    rows: int, groups: int, place: int, far: float, seed: int
):
    near = drawn(seed, rows, FOUR, 32 * groups)
    scores, row = near.copy(), divmod(place % (rows * FOUR), FOUR)
    scores[row] += far * (-1) ** place
    _, lost = softmaxed(exponentiate, scores)
    weights, sums = softmaxed(exponentiate_carefully, scores)
    expected = plain.softmax(scores.astype(np.float64))
    np.testing.assert_allclose(weights / sums, expected, rtol=2e-3, atol=1e-7)
    unchanged, their_sums = softmaxed(exponentiate, near)
    weights[row], sums[row] = unchanged[row], their_sums[row]
    assert weights.tobytes() == unchanged.tobytes()
    assert sums.tobytes() == their_sums.tobytes()
    if far > 100:
        assert has_lost(lost)


@pytest.mark.parametrize("exponentials", [exponentiate, exponentiate_carefully])
@given(
    rows=st.integers(1, 9), columns=st.integers(1, 300), more=st.integers(0, 9), seed=seeds
)  # fmt: skip
def test_columns_that_are_not_seen_change_no_bit_of_a_softmax(
    exponentials: Callable[[F32, F32, F32], None], rows: int, columns: int, more: int, seed: int
):
    narrow = max(64, -columns % 32 + columns)
    wide = narrow + 32 * more
    scores = np.full((rows, FOUR, wide), -np.inf, np.float32)
    scores[..., :columns] = drawn(seed, rows, FOUR, columns)
    if exponentials is exponentiate_carefully:
        scores[0] += 200
    expected = plain.softmax(scores.astype(np.float64))
    weights, sums = softmaxed(exponentials, scores)
    short, short_sums = softmaxed(exponentials, scores[..., :narrow])
    assert sums.tobytes() == short_sums.tobytes()
    assert weights[..., :narrow].tobytes() == short.tobytes()
    np.testing.assert_allclose(weights / sums, expected, rtol=1e-4, atol=1e-7)


@given(st.integers(1, 9), st.integers(2, 12), seeds)
def test_no_bit_of_a_softmax_depends_on_the_rows_beside(rows: int, columns: int, seed: int):
    scores = drawn(seed, rows, FOUR, 32 * columns)
    scores[:] = scores[0, 0]
    sums = np.empty((rows, FOUR, 1), np.float32)
    exponentiate(scores, sums, np.ones((32 * columns, 1), np.float32))
    assert len({total.tobytes() for total in sums.reshape(-1)}) == 1


cuts = st.sampled_from([(1, 1), (1, TILE), (1, None), (2, 1), (3, TILE), (3, None)])


@given(st.integers(1, 70), st.integers(1, 16), cuts, st.booleans(), seeds)
def test_every_plan_multiplies(
    inputs: int, width: int, cut: tuple[int, int | None], has_bias: bool, seed: int
):
    panels, tile = cut
    plan = Plan(panel=width, tile=tile)
    weight, bias = drawn(seed, inputs, panels * width), drawn(seed + 1, panels * width)
    folded = {"a.weight": weight, "a.bias": bias} if has_bias else {"a.weight": weight}
    laid = lay_out({**folded, "b": bias}, {weight.shape: plan})
    assert sorted(laid) == ["a.weight", "b"]
    x = with_ones(8, inputs)
    x[:, :-1] = drawn(seed + 2, 8, inputs)
    expected = x[:, :-1].astype(np.float64) @ weight + (bias if has_bias else 0.0)
    out = np.full((8, panels * width), np.nan, np.float32)
    multiply(x, laid["a.weight"], out, plan)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-3)
    layer = Linear(laid["a.weight"], plan, x, out)
    for rows in (1, 3, 8):
        out.fill(np.nan)
        layer(rows)
        np.testing.assert_allclose(out[:rows], expected[:rows], rtol=1e-4, atol=1e-3)


@settings(max_examples=40)
@given(
    st.integers(1, 600), st.integers(1, 160), st.sampled_from([(1,), (64,)]), st.booleans(), seeds
)
def test_a_row_has_the_same_bits_whatever_rows_it_is_with(
    inputs: int, outputs: int, rows: tuple[int, ...], has_bias: bool, seed: int
):
    plan = tune(inputs, outputs, rows, same_bits=True)
    folded = {"a.weight": drawn(seed, inputs, outputs)}
    if has_bias:
        folded["a.bias"] = drawn(seed + 1, outputs)
    weight = lay_out(folded, {(inputs, outputs): plan})["a.weight"]
    x, out = with_ones(64, inputs), aligned_empty(64, outputs)
    layer = Linear(weight, plan, x, out)
    row = drawn(seed + 2, inputs)
    bits: set[bytes] = set()
    for count in (1, 2, 3, 5, 8, 13, 32, 33, 64):
        x[:, :-1] = drawn(count, 64, inputs)
        for place in range(max(0, count - TILE), count):
            x[place, :-1] = row
            layer(count)
            bits.add(out[place].tobytes())
    assert len(bits) == 1


def clock_by_which_plan_is_fastest(fastest: int, plans: int, rows: int) -> Iterator[float]:
    now = 0.0
    for turn in itertools.count():
        yield now
        now += 1.0 if turn // rows % plans == fastest else 2.0
        yield now


OF_64 = [Plan(panel=panel, tile=tile) for panel in (64, 32) for tile in (TILE, 1, None)]
OF_SAME_BITS = [plan for plan in OF_64 if plan.tile is not None]


@pytest.mark.parametrize("fastest", range(len(OF_SAME_BITS)))
def test_the_plan_is_taken_that_is_fastest_here(fastest: int):
    ticks = clock_by_which_plan_is_fastest(fastest, len(OF_SAME_BITS), 2)
    plan = tune(64, 64, (1, 8), same_bits=True, clock=lambda: next(ticks))
    assert plan == OF_SAME_BITS[fastest]


@pytest.mark.parametrize("fastest", range(len(OF_64)))
def test_all_rows_may_be_one_product_where_bits_may_differ(fastest: int):
    ticks = clock_by_which_plan_is_fastest(fastest, len(OF_64), 2)
    assert tune(64, 64, (1, 8), same_bits=False, clock=lambda: next(ticks)) == OF_64[fastest]


def test_of_plans_that_are_equally_fast_the_first_is_taken():
    ticks = itertools.count()
    plan = tune(64, 64, (1, 8), same_bits=True, clock=lambda: float(next(ticks)))
    assert plan == OF_64[0]


def test_a_wide_layer_has_panels_as_wide_as_are_tried_out_and_divide_it():
    ticks = clock_by_which_plan_is_fastest(0, 7, 1)
    plan = tune(8, 50_304, (1,), same_bits=True, clock=lambda: next(ticks))
    assert plan == Plan(panel=3144, tile=1)


@pytest.mark.parametrize("outputs", [1, 24, 65])
def test_where_outputs_do_not_fill_registers_each_row_is_a_product_of_its_own(outputs: int):
    ticks = clock_by_which_plan_is_fastest(0, 1, 1)
    plan = tune(160, outputs, (8,), same_bits=True, clock=lambda: next(ticks))
    assert plan == Plan(panel=outputs, tile=1)


def test_rows_fill_whole_tiles():
    plan = Plan(panel=64, tile=TILE)
    assert [plan.padded(rows) for rows in (0, 1, 4, 5, 17)] == [0, 4, 4, 8, 20]
    plan = Plan(panel=64, tile=None)
    assert [plan.padded(rows) for rows in (0, 1, 4, 5, 17)] == [0, 1, 4, 5, 17]
