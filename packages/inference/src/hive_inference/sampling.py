"""The next token of each sequence, drawn from its logits by its own stream of random numbers.

A sequence has a Philox stream that its seed keys, and of it a number for each token; the token is
where the number falls among the cumulated probabilities. So a seed gives the
same text whatever else is in the batch. Every operation works row by row.

Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011 (Philox); Keskar et al.,
CTRL, 2019, section 4.1 (repetition penalty); Holtzman et al., The Curious Case of Neural Text
Degeneration, 2019, section 3.1 (top-p).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from hive_inference.arrays import F32, F64, Bool
from hive_inference.messages import Sampling

__all__ = ["NO_TOKEN", "Sampler", "choose"]

NO_TOKEN: Final = -1
"""What is chosen where nothing can be."""

_DRAWN_AT_ONCE: Final = 64
"""Numbers: one by one, each would cost as much as all of these."""

_BLOCK: Final = 512
"""Weights of a block: in a larger vocabulary a number falls into a block first."""

_BELOW_ONE: Final = 1.0 - 2.0**-40
"""Keeps rounding from letting a number fall behind the last probability."""


class Sampler:
    """How one sequence goes on."""

    def __init__(self, sampling: Sampling, *, vocabulary: int, prompt: Iterable[int]) -> None:
        """Begin after `prompt`."""
        self.sampling = sampling
        self.is_greedy = sampling.temperature == 0.0
        self.filters = (
            sampling.repetition_penalty != 1.0
            or sampling.temperature not in {0.0, 1.0}
            or sampling.top_k is not None
            or sampling.top_p < 1.0
        )
        """Whether `filter` would change anything."""

        self._stream = np.random.Generator(np.random.Philox(key=sampling.seed))
        self._drawn: deque[float] = deque()
        self._seen: Bool | None = None
        if sampling.repetition_penalty != 1.0:
            self._seen = np.zeros(vocabulary, np.bool_)
            self._seen[list(prompt)] = True

    def next_uniform(self) -> float:
        """Return the next number, from 0 to just below 1."""
        if not self._drawn:
            self._drawn.extend((self._stream.random(_DRAWN_AT_ONCE) * _BELOW_ONE).tolist())
        return self._drawn.popleft()

    def filter(self, logits: F32) -> None:
        """Take the temperature into account, and make impossible what must not be drawn.

        Shapes:
            logits: (V,), changed in place; of a temperature of 0 only the greatest counts
        """
        sampling = self.sampling
        if self._seen is not None:
            penalty = _within_float32(sampling.repetition_penalty)
            seen = logits[self._seen]
            logits[self._seen] = np.where(seen > 0, seen / penalty, seen * penalty)
        if sampling.temperature not in {0.0, 1.0}:
            logits /= _within_float32(sampling.temperature)
        if sampling.top_k is not None and sampling.top_k < len(logits):
            _keep_top_k(logits, sampling.top_k)
        if sampling.top_p < 1.0:
            _keep_top_p(logits, sampling.top_p)

    def note(self, token: int) -> None:
        """Remember that the sequence has `token` now."""
        if self._seen is not None:
            self._seen[token] = True


def choose(samplers: Sequence[Sampler], logits: F32) -> list[int]:
    """Return the next token of each sequence; `NO_TOKEN` where its logits are no numbers.

    Shapes:
        logits: (R, V), a row for each sampler; changed
    """
    for place, sampler in enumerate(samplers):
        if sampler.filters:
            sampler.filter(logits[place])
    greedy = {p: int(logits[p].argmax()) for p, s in enumerate(samplers) if s.is_greedy}
    greatest = np.maximum.reduce(logits, axis=1, keepdims=True)
    is_sound = np.isfinite(greatest[:, 0]).tolist()
    with np.errstate(invalid="ignore"):
        np.subtract(logits, greatest, out=logits)
    np.exp(logits, out=logits)
    is_short = logits.shape[1] <= _BLOCK
    rows = np.add.accumulate(logits, axis=1, dtype=np.float64) if is_short else logits
    fall = _fall if is_short else _fall_by_blocks
    tokens: list[int] = []
    for place, (sampler, row) in enumerate(zip(samplers, rows, strict=True)):
        if not is_sound[place]:
            tokens.append(NO_TOKEN)
            continue
        token = greedy.get(place)
        if token is None:
            token = fall(row, sampler.next_uniform())
        sampler.note(token)
        tokens.append(token)
    return tokens


def _fall(cumulated: F64, uniform: float) -> int:
    """Return where a share of everything falls.

    Shapes:
        cumulated: (V,), the weights of tokens, each with those before it

    Args:
        cumulated: as above.
        uniform: the share, from 0 to below 1.
    """
    share: float = uniform * cumulated[-1]
    return int(cumulated.searchsorted(share, "right"))


def _fall_by_blocks(weights: F32, uniform: float) -> int:
    """Return where a share of everything falls: into which block, and where within it.

    Shapes:
        weights: (V,)

    Args:
        weights: of the tokens.
        uniform: the share, from 0 to below 1.

    Sums of blocks are float32: a share on the border of two may fall on the neighbour. To cumulate
    all 50,257 of GPT-2 takes 206 microseconds of a step's 25,000, and the sums of blocks 19 (AVX2,
    November 2026).
    """
    blocks = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK))
    cumulated = np.add.accumulate(blocks, dtype=np.float64)
    share: float = uniform * cumulated[-1]
    block = int(cumulated.searchsorted(share, "right"))
    before: float = cumulated[block - 1] if block else 0.0
    within = min((share - before) / (cumulated[block] - before), _BELOW_ONE)
    first = block * _BLOCK
    inner = np.add.accumulate(weights[first : first + _BLOCK], dtype=np.float64)
    return first + _fall(inner, within)


def _within_float32(factor: float) -> np.float32:
    """Return a factor that takes no logit out of float32, also beside another one.

    Beyond these borders nothing changes any more: only the likeliest comes, or any.
    """
    return np.float32(min(max(factor, 1e-10), 1e10))


def _keep_top_k(logits: F32, count: int) -> None:
    """Keep the `count` greatest; of equal ones at the border, those of lower numbers."""
    border = np.partition(logits, -count)[-count]
    above = logits > border
    level = np.flatnonzero(logits == border)[: count - int(above.sum())]
    above[level] = True
    logits[~above] = -np.inf


def _keep_top_p(logits: F32, share: float) -> None:
    """Keep the fewest of the likeliest that together have at least `share` of the probability."""
    order = np.argsort(-logits, kind="stable")
    weights: F32 = np.exp(logits[order] - logits[order[0]])
    cumulated: F64 = np.cumsum(weights, dtype=np.float64)
    kept = int(np.count_nonzero(cumulated < share * cumulated[-1])) + 1
    logits[order[kept:]] = -np.inf
