"""What is told of a text, as JSON can hold it: a task's result, and what `--json` prints."""

from dataclasses import asdict
from typing import Any

from hive_verse.cascade import Cascade
from hive_verse.harmonix import Kept

__all__ = ["result_of", "result_of_cascade"]


def result_of(kept: Kept) -> dict[str, Any]:
    """Return what is told of a text."""
    return {
        "text": kept.text,
        "dissonance": kept.dissonance.value,
        "pulse": asdict(kept.dissonance.pulse),
        "temperature": kept.temperature,
        "seed": kept.seed,
        "id": kept.id,
    }


def result_of_cascade(cascade: Cascade) -> dict[str, Any]:
    """Return what is told of a cascade."""
    return {
        "haiku": result_of(cascade.haiku),
        "sonnet": result_of(cascade.sonnet),
        "prose": result_of(cascade.prose),
        "sentence": cascade.sentence,
        "resonance": cascade.resonance,
        "entropy": cascade.entropy,
        "field_words": cascade.field_words,
        "seed": cascade.seed,
        "id": cascade.id,
    }
