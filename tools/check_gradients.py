"""Hold the gradients that training follows against differences of the plain reference.

    pip install 'hive-verse[training]'
    python tools/check_gradients.py [--entries 3]

Prints `gradients VALUE REACH ok|short`: by how much a gradient of torch's, in float64, is off at
most from (L(w + h) - L(w - h)) / 2h, where L is the loss that the reference decoder computes in
numpy. It is relative to the greater of the two, or to a thousandth of the greatest of its tensor.
So training follows the right gradients, and trains the model that is run afterwards.
"""

# pyright: basic, reportMissingImports=false
# Torch is installed by who trains alone.

import argparse
import random
import sys
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional
from train_verse import SEED, Model, exported_name, stored

from hive_inference.models import plain
from hive_inference.models.configuration import Configuration
from hive_inference.reference.decoder import PlainDecoder
from hive_inference.reference.kernels import softmax
from hive_inference.safetensors import TensorFile
from hive_inference.tokenizer import PieceTokenizer
from hive_verse.shipped import model_folder

TEXT: Final = "=bees summer\nThe summer's bees go home at night to sleep,\n"
STEP: Final = 1e-5
REACH: Final = 1e-4


def main() -> int:
    """Check the model that ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=3, help="of each tensor")
    given = parser.parse_args()
    said = Configuration(model_folder() / "config.json")
    tokens = PieceTokenizer(said.texts("pieces")).encode(TEXT)
    file = TensorFile(model_folder() / "model.safetensors")
    weights = {name: file.read(name).astype(np.float64) for name in file.names}
    shape = plain.shape_of(said, max_context=1024)
    gradients = _gradients(weights, tokens)
    choice = random.Random(SEED)  # noqa: S311 - to be repeated
    worst = 0.0
    for name, gradient in gradients.items():
        least = 1e-3 * float(np.abs(gradient).max())
        for _ in range(given.entries):
            place = tuple(choice.randrange(size) for size in gradient.shape)
            found = _difference(weights, name, place, shape, tokens)
            scale = max(abs(found), abs(gradient[place]), least)
            worst = max(worst, abs(found - gradient[place]) / scale)
    print(f"gradients {worst:.1e} {REACH:g} {'ok' if worst <= REACH else 'short'}")
    return 0 if worst <= REACH else 1


def _gradients(weights: dict[str, Any], tokens: list[int]) -> dict[str, Any]:
    model = Model().double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(stored(name, torch.from_numpy(weights[exported_name(name)])))
    read = torch.tensor([tokens])
    logits = model(read[:, :-1])
    functional.cross_entropy(logits.flatten(0, 1), read[:, 1:].flatten()).backward()
    return {
        exported_name(name): stored(name, parameter.grad).numpy()
        for name, parameter in model.named_parameters()
    }


def _difference(weights: dict[str, Any], name: str, place: Any, shape: Any, tokens: Any) -> float:
    kept = weights[name][place]
    losses: list[float] = []
    for step in (STEP, -STEP):
        weights[name][place] = kept + step
        losses.append(_loss(PlainDecoder(weights, shape), tokens))
    weights[name][place] = kept
    return (losses[0] - losses[1]) / (2 * STEP)


def _loss(decoder: PlainDecoder, tokens: list[int]) -> float:
    chances = softmax(decoder.logits(tokens[:-1]))
    return float(-np.log(chances[np.arange(len(tokens) - 1), tokens[1:]]).mean())


if __name__ == "__main__":
    sys.exit(main())
