"""Tokens come with the probabilities that were asked for, from a stream of the sequence's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_inference.arrays import F32
from hive_inference.errors import RequestError
from hive_inference.messages import Generate, Sampling
from hive_inference.reference.sampling import probabilities
from hive_inference.sampling import Sampler, choose

samplings = st.builds(
    Sampling,
    repetition_penalty=st.sampled_from([1.0, 1.3]),
    temperature=st.floats(0.2, 3.0),
    top_k=st.none() | st.integers(1, 60),
    top_p=st.sampled_from([1.0, 0.95, 0.5, 0.1]),
    seed=st.integers(0, 2**64 - 1),
)


sizes = st.integers(2, 70) | st.sampled_from([511, 512, 513, 1024, 1500])
"""Of vocabularies: beyond 512 tokens it is first looked into which block a number falls."""


def random_logits(seed: int, *shape: int) -> F32:
    return 3 * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def sampler_of(sampling: Sampling, vocabulary: int, *, prompt: tuple[int, ...] = ()) -> Sampler:
    return Sampler(sampling, vocabulary=vocabulary, prompt=prompt)


@given(samplings, st.integers(2, 50), st.integers(0, 999))
def test_probabilities_are_those_of_the_plain_sampler(sampling: Sampling, size: int, seed: int):
    logits, prompt = random_logits(seed, size), (0, size // 2)
    expected = probabilities(logits.tolist(), set(prompt), sampling)
    sampler_of(sampling, size, prompt=prompt).filter(logits)
    weights = np.exp(logits - logits.max())
    np.testing.assert_allclose(weights / weights.sum(), expected, rtol=1e-3, atol=1e-6)


@given(samplings, sizes, st.integers(0, 999))
def test_a_token_is_where_its_number_falls(sampling: Sampling, size: int, seed: int):
    logits = random_logits(seed, size)
    cumulated = np.cumsum(probabilities(logits.tolist(), set(), sampling))
    uniform = sampler_of(sampling, size).next_uniform()
    (token,) = choose([sampler_of(sampling, size)], logits[None])
    assert cumulated[token] >= uniform - 1e-4
    assert token == 0 or cumulated[token - 1] <= uniform + 1e-4


@given(st.lists(samplings, min_size=1, max_size=9), sizes, st.integers(0, 999))
def test_a_sequence_draws_the_same_whatever_its_mates(
    samplings: list[Sampling], size: int, seed: int
):
    logits = random_logits(seed, 20, len(samplings), size)
    alone = [
        [choose([sampler], step[i : i + 1].copy())[0] for step in logits]
        for i, sampler in enumerate(sampler_of(sampling, size) for sampling in samplings)
    ]
    mates = [sampler_of(sampling, size) for sampling in samplings]
    together = [choose(mates, step.copy()) for step in logits]
    assert [list(tokens) for tokens in zip(*together, strict=True)] == alone


@pytest.mark.parametrize(
    ("vocabulary", "places"), [(4, (0, 1, 2)), (3000, (1023, 1024, 2999)), (3000, (0, 600, 601))]
)
def test_frequencies_are_the_probabilities(vocabulary: int, places: tuple[int, ...]):
    logits = np.full((1, vocabulary), -np.inf, np.float32)
    logits[0, list(places)] = 0.0, 1.0, 2.0
    sampler = Sampler(Sampling(seed=7), vocabulary=vocabulary, prompt=())
    drawn = [choose([sampler], logits.copy())[0] for _ in range(20_000)]
    assert set(drawn) == {*places}
    shares = np.bincount(drawn, minlength=vocabulary)[list(places)] / len(drawn)
    expected = probabilities([0.0, 1.0, 2.0], set(), Sampling())
    np.testing.assert_allclose(shares, expected, atol=0.015)


def test_without_temperature_the_likeliest_comes_always():
    logits = random_logits(1, 1, 40)
    sampler = sampler_of(Sampling(temperature=0.0, top_p=0.5), 40)
    assert {choose([sampler], logits.copy())[0] for _ in range(9)} == {int(logits.argmax())}


@pytest.mark.parametrize("vocabulary", [40, 1500])
@pytest.mark.parametrize("temperature", [1e-300, 1e-39, 1e-8, 1e39, 1e300])
@pytest.mark.parametrize("penalty", [1e-300, 1.0, 1e300])
def test_no_factor_makes_numbers_that_are_none(vocabulary: int, temperature: float, penalty: float):
    logits = random_logits(1, 1, vocabulary)
    logits[0, 5] = 0.0
    sampling = Sampling(temperature=temperature, repetition_penalty=penalty)
    sampler = sampler_of(sampling, vocabulary, prompt=(5,))
    drawn = [choose([sampler], logits.copy())[0] for _ in range(9)]
    assert all(token < vocabulary for token in drawn)
    if penalty == 1.0 and temperature < 1:
        assert {*drawn} == {int(logits.argmax())}
    if penalty == 1.0 and temperature > 1:
        assert len({*drawn}) > 3


def test_of_equal_tokens_at_the_border_the_first_stay():
    logits = np.zeros(6, np.float32)
    sampler_of(Sampling(top_k=2), 6).filter(logits)
    assert logits.tolist() == [0.0, 0.0] + [-np.inf] * 4


def test_what_was_said_is_penalised():
    logits = np.array([[1.0, 0.9]], np.float32)
    sampler = sampler_of(Sampling(temperature=0.0, repetition_penalty=1.5), 2)
    assert [choose([sampler], logits.copy())[0] for _ in range(3)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_sampled_is_refused(wrong: dict[str, float], said: str):
    with pytest.raises(RequestError, match=said):
        Sampling(**wrong)  # pyright: ignore[reportArgumentType]


def test_what_cannot_be_generated_is_refused():
    with pytest.raises(RequestError, match="max_tokens is 0"):
        Generate(model="m", prompt="p", max_tokens=0)
    with pytest.raises(RequestError, match="empty text in stop"):
        Generate(model="m", prompt="p", stop=("",))
    with pytest.raises(RequestError, match="within_seconds is 0"):
        Generate(model="m", prompt="p", within_seconds=0)
