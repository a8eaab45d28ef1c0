"""The probabilities of the next token, plainly: sorted lists, in float64."""

import math
from collections.abc import Sequence

from hive_inference.messages import Sampling

__all__ = ["probabilities"]


def probabilities(logits: Sequence[float], seen: set[int], sampling: Sampling) -> list[float]:
    """Return each token's probability, for a temperature above 0."""
    penalty = sampling.repetition_penalty
    scores = [
        (score / penalty if score > 0 else score * penalty) if token in seen else score
        for token, score in enumerate(logits)
    ]
    scores = [score / sampling.temperature for score in scores]
    ranked = sorted(range(len(scores)), key=lambda token: (-scores[token], token))
    kept = ranked[: sampling.top_k]
    weights = {token: math.exp(scores[token] - scores[kept[0]]) for token in kept}
    total = sum(weights.values())
    cumulated, nucleus = 0.0, list[int]()
    for token in kept:
        nucleus.append(token)
        cumulated += weights[token]
        if cumulated >= sampling.top_p * total:
            break
    mass = sum(weights[token] for token in nucleus)
    return [weights[t] / mass if t in nucleus else 0.0 for t in range(len(scores))]
